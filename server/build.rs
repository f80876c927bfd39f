//! Embeds the built extension (the folder that `INTERLOCK_BUNDLE_DIR` names) in the binary.
//! Without that variable the binary builds too, and `interlock extension` says what is missing.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Per user, never in a binary.
const NOT_EMBEDDED: [&str; 2] = ["pairing.json", "config.json"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=INTERLOCK_BUNDLE_DIR");
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    if let Some(folder) = env::var_os("INTERLOCK_BUNDLE_DIR").filter(|dir| !dir.is_empty()) {
        let folder = fs::canonicalize(folder)?;
        collect(&folder, &folder, &mut files)?;
    }
    files.sort();
    let mut text = String::from("static BUNDLE: &[(&str, &[u8])] = &[\n");
    for (name, path) in files {
        writeln!(text, "    ({name:?}, include_bytes!({path:?})),").map_err(io::Error::other)?;
    }
    text.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("bundle.rs"), text)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
            continue;
        }
        let name: Vec<String> = path
            .strip_prefix(root)
            .map_err(io::Error::other)?
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let name = name.join("/");
        if !NOT_EMBEDDED.contains(&name.as_str()) {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push((name, path));
        }
    }
    Ok(())
}
