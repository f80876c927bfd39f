//! `interlock extension DIR`: writes the extension that is embedded in this binary, with the
//! user's secret and options beside it. The embedded files hold no secret; it is copied from the
//! state folder into `DIR` and nowhere else (`design/security.md`, *Pairing*).

use crate::state::{StateDir, make_private, replace_private};
use protocol::pairing::PairingFile;
use protocol::ports::PortRange;
use serde_json::json;
use std::fs;
use std::io;
use std::path::Path;

include!(concat!(env!("OUT_DIR"), "/bundle.rs"));

/// What every loadable extension has.
const MANIFEST: &str = "manifest.json";
/// The secret's copy.
const PAIRING: &str = "pairing.json";
/// Options that the worker reads at boot.
const CONFIG: &str = "config.json";

/// The files of the embedded extension, by path; none where it was built without.
#[must_use]
pub fn bundle() -> &'static [(&'static str, &'static [u8])] {
    BUNDLE
}

/// Writes the extension `files` into `folder`, paired with the secret of `state`.
///
/// # Errors
/// Without files to write, when the folder holds something else, and of the file system.
pub fn write(
    folder: &Path,
    files: &[(&str, &[u8])],
    state: &StateDir,
    range: PortRange,
) -> io::Result<()> {
    if files.is_empty() {
        return Err(io::Error::other(
            "this binary was built without the extension: run ./build.sh",
        ));
    }
    check_ours(folder)?;
    make_private(folder)?;
    for (name, content) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    pair(folder, state, range)
}

/// Writes only what pairs: the secret's copy and the options.
///
/// # Errors
/// When the folder holds no extension, and of the file system.
pub fn pair(folder: &Path, state: &StateDir, range: PortRange) -> io::Result<()> {
    if !folder.join(MANIFEST).is_file() {
        return Err(io::Error::other(format!(
            "{} holds no extension (there is no {MANIFEST} in it)",
            folder.display()
        )));
    }
    make_private(folder)?;
    let pairing = PairingFile {
        version: 1,
        secret: state.secret()?.to_hex(),
    };
    replace_private(
        &folder.join(PAIRING),
        serde_json::to_string(&pairing)?.as_bytes(),
    )?;
    let config = json!({"ports": {"first": range.first, "last": range.last}});
    replace_private(&folder.join(CONFIG), config.to_string().as_bytes())
}

/// A folder with other things in it is not made private and not written over.
fn check_ours(folder: &Path) -> io::Result<()> {
    let mut entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    if entries.next().is_some() && !folder.join(MANIFEST).is_file() {
        return Err(io::Error::other(format!(
            "{} is not empty and holds no extension; name a new folder",
            folder.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    const FILES: &[(&str, &[u8])] = &[("manifest.json", b"{}"), ("pkg/core.js", b"1")];

    #[test]
    fn the_folder_is_loadable_private_and_paired() {
        let scratch = Scratch::new();
        let (folder, state) = (scratch.path().join("extension"), scratch.state());
        let range = PortRange::new(17_000, 17_010).unwrap();
        write(&folder, FILES, &state, range).unwrap();
        assert_eq!(fs::read(folder.join("pkg/core.js")).unwrap(), b"1");
        let config = fs::read_to_string(folder.join(CONFIG)).unwrap();
        assert_eq!(config, r#"{"ports":{"first":17000,"last":17010}}"#);
        let secret = state.secret().unwrap().to_hex();
        let pairing = fs::read_to_string(folder.join(PAIRING)).unwrap();
        assert_eq!(pairing, format!(r#"{{"version":1,"secret":"{secret}"}}"#));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(folder.clone()), 0o700);
            assert_eq!(mode(folder.join(PAIRING)), 0o600);
        }
        // Again, over itself.
        write(&folder, FILES, &state, range).unwrap();
    }

    #[test]
    fn pairing_only_leaves_the_extension_as_it_is() {
        let scratch = Scratch::new();
        let (folder, state) = (scratch.path().join("shell"), scratch.state());
        fs::create_dir(&folder).unwrap();
        let refused = pair(&folder, &state, PortRange::default());
        assert!(refused.unwrap_err().to_string().contains("no extension"));
        fs::write(folder.join(MANIFEST), "mine").unwrap();
        pair(&folder, &state, PortRange::default()).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
        assert_eq!(fs::read_to_string(folder.join(MANIFEST)).unwrap(), "mine");
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_refused() {
        let scratch = Scratch::new();
        let state = scratch.state();
        let refused = write(scratch.path(), FILES, &state, PortRange::default());
        assert!(refused.unwrap_err().to_string().contains("not empty"));
    }

    #[test]
    fn a_binary_without_the_extension_says_how_to_build_it() {
        let scratch = Scratch::new();
        let folder = scratch.path().join("extension");
        let refused = write(&folder, &[], &scratch.state(), PortRange::default());
        assert!(refused.unwrap_err().to_string().contains("./build.sh"));
        assert!(!folder.exists());
    }

    #[test]
    fn no_secret_is_embedded() {
        for (name, _) in bundle() {
            assert!(
                !name.ends_with(PAIRING) && !name.ends_with(CONFIG),
                "{name}"
            );
        }
    }
}
