//! `interlock extension DIR`: writes the extension that is embedded in this binary, with the
//! user's secret and options beside it. The embedded files hold no secret; it is copied from the
//! state folder into `DIR` and nowhere else (`design/security.md`, *Pairing*).

use crate::state::{StateDir, make_private, replace_private};
use protocol::pairing::PairingFile;
use protocol::ports::{PortRange, UNPAIRED_MAX};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/bundle.rs"));

/// What every loadable extension has.
const MANIFEST: &str = "manifest.json";
/// Ours, whose `key` makes the extension's id: a folder with another one is somebody else's.
const OWN_MANIFEST: &str = include_str!("../../extension-shell/manifest.json");
/// The secret's copy.
const PAIRING: &str = "pairing.json";
/// Options that the worker reads at boot.
const CONFIG: &str = "config.json";

/// What `config.json` says.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    ports: PortRange,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allow_unpaired: Vec<u16>,
}

/// Options of the extension. What is not named stays as the folder has it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Where it looks for servers.
    pub range: Option<PortRange>,
    /// On which of those ports it lets in a server that proves nothing (`design/security.md`,
    /// *Unpaired peers*); an empty list ends it.
    pub allow_unpaired: Option<Vec<u16>>,
}

impl Wanted {
    /// With what the folder has already.
    fn over(&self, before: Option<&Config>) -> io::Result<Config> {
        let ports = self.range.or(before.map(|before| before.ports));
        let ports = ports.unwrap_or_default();
        let allow_unpaired = match &self.allow_unpaired {
            Some(named) => {
                check_unpaired(ports, named)?;
                named.clone()
            }
            // Of another range some may be left.
            None => {
                let kept = before.map(|before| before.allow_unpaired.clone());
                let mut kept = kept.unwrap_or_default();
                kept.retain(|port| ports.contains(*port));
                kept
            }
        };
        Ok(Config {
            ports,
            allow_unpaired,
        })
    }
}

fn check_unpaired(ports: PortRange, named: &[u16]) -> io::Result<()> {
    let (first, last) = (ports.first, ports.overflow_last());
    let wrong = |words| Err(io::Error::new(io::ErrorKind::InvalidInput, words));
    if let Some(stray) = named.iter().find(|port| !ports.contains(**port)) {
        return wrong(format!(
            "--allow-unpaired names port {stray}; the extension looks for servers from {first} to {last} only"
        ));
    }
    if named.len() > UNPAIRED_MAX {
        return wrong(format!(
            "--allow-unpaired names more than {UNPAIRED_MAX} ports"
        ));
    }
    Ok(())
}

/// What pairing made of the options that the extension has: it reads them at its start alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// As before.
    Same,
    /// Others; the extension is to be reloaded.
    Changed,
}

/// The files of the embedded extension, by path; none where it was built without.
#[must_use]
pub fn bundle() -> &'static [(&'static str, &'static [u8])] {
    BUNDLE
}

/// Writes the extension `files` into `folder`, paired with the secret of `state`.
///
/// # Errors
/// Without files to write, when the folder holds something else (nothing is written then), for ports
/// that cannot be, and of the file system.
pub fn write(
    folder: &Path,
    files: &[(&str, &[u8])],
    state: &StateDir,
    wanted: &Wanted,
) -> io::Result<()> {
    if files.is_empty() {
        return Err(io::Error::other(
            "this binary was built without the extension: run ./build.sh",
        ));
    }
    check_ours(folder)?;
    wanted.over(config_of(folder).as_ref())?;
    make_private(folder)?;
    for (name, content) in files {
        replace_private(&make_place(folder, name)?, content)?;
    }
    pair(folder, state, wanted).map(|_| ())
}

/// Writes only what pairs: the secret's copy and the options. What is not `wanted` otherwise stays as
/// it is, and is the default where it cannot hold.
///
/// # Errors
/// When the folder does not hold our extension or for ports that cannot be (nothing is written then),
/// and of the file system.
pub fn pair(folder: &Path, state: &StateDir, wanted: &Wanted) -> io::Result<Ports> {
    if !folder.join(MANIFEST).is_file() {
        return Err(io::Error::other(format!(
            "{} holds no extension (there is no {MANIFEST} in it)",
            folder.display()
        )));
    }
    if !has_our_key(folder)? {
        return Err(io::Error::other(format!(
            "{} holds another extension (its {MANIFEST} has not our key)",
            folder.display()
        )));
    }
    let before = config_of(folder);
    let config = wanted.over(before.as_ref())?;
    let secret = state.secret().map_err(|error| {
        let words = format!("{error}; `interlock pair --rotate` makes a new secret");
        io::Error::new(error.kind(), words)
    })?;
    make_private(folder)?;
    let pairing = PairingFile {
        version: 1,
        secret: secret.to_hex(),
    };
    replace_private(
        &folder.join(PAIRING),
        serde_json::to_string(&pairing)?.as_bytes(),
    )?;
    let text = serde_json::to_string(&config)?;
    replace_private(&folder.join(CONFIG), text.as_bytes())?;
    // What cannot be read is to the extension as the default.
    Ok(if config == before.unwrap_or_default() {
        Ports::Same
    } else {
        Ports::Changed
    })
}

/// The folder's options, if they can hold.
fn config_of(folder: &Path) -> Option<Config> {
    let text = fs::read(folder.join(CONFIG)).ok()?;
    // By the reader that the extension has too.
    let config: Config = protocol::json::read(&serde_json::from_slice(&text).ok()?).ok()?;
    PortRange::new(config.ports.first, config.ports.last).map(|_| config)
}

/// A folder with other things in it is not made private and not written over.
fn check_ours(folder: &Path) -> io::Result<()> {
    let mut entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    if entries.next().is_some() && !has_our_key(folder)? {
        return Err(io::Error::other(format!(
            "{} is not empty and does not hold this extension; name a new folder",
            folder.display()
        )));
    }
    Ok(())
}

/// Whether the folder's manifest is of our extension, of whatever version.
fn has_our_key(folder: &Path) -> io::Result<bool> {
    let path = folder.join(MANIFEST);
    if !path.is_file() {
        return Ok(false);
    }
    let ours = key_of(OWN_MANIFEST.as_bytes());
    Ok(ours.is_some() && key_of(&fs::read(path)?) == ours)
}

fn key_of(manifest: &[u8]) -> Option<String> {
    let manifest: Value = serde_json::from_slice(manifest).ok()?;
    Some(manifest.get("key")?.as_str()?.to_owned())
}

/// The full path of a file of ours, with the folders above it made: real ones, since what a link
/// names is not ours to write into.
fn make_place(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let mut place = folder.to_owned();
    for part in Path::new(name)
        .parent()
        .into_iter()
        .flat_map(Path::components)
    {
        let Component::Normal(part) = part else {
            return Err(io::Error::other(format!("{name} leads out of the folder")));
        };
        place.push(part);
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(io::Error::other(format!(
                    "{} is not a folder; remove it",
                    place.display()
                )));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&place)?,
            Err(error) => return Err(error),
        }
    }
    Ok(folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    const FILES: &[(&str, &[u8])] = &[
        ("manifest.json", OWN_MANIFEST.as_bytes()),
        ("pkg/core.js", b"1"),
    ];

    fn looking(range: Option<PortRange>) -> Wanted {
        Wanted {
            range,
            ..Wanted::default()
        }
    }

    /// What is in a folder.
    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn the_folder_is_loadable_private_and_paired() {
        let scratch = Scratch::new();
        let (folder, state) = (scratch.path().join("extension"), scratch.state());
        let range = looking(PortRange::new(17_000, 17_010));
        write(&folder, FILES, &state, &range).unwrap();
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
        write(&folder, FILES, &state, &range).unwrap();
    }

    #[test]
    fn pairing_only_leaves_the_extension_as_it_is() {
        let scratch = Scratch::new();
        let (folder, state) = (scratch.path().join("shell"), scratch.state());
        fs::create_dir(&folder).unwrap();
        let refused = pair(&folder, &state, &Wanted::default());
        assert!(refused.unwrap_err().to_string().contains("no extension"));
        let mut manifest: Value = serde_json::from_str(OWN_MANIFEST).unwrap();
        manifest["version"] = "0.0.1".into();
        fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
        pair(&folder, &state, &Wanted::default()).unwrap();
        assert_eq!(count(&folder), 3);
        let after = fs::read_to_string(folder.join(MANIFEST)).unwrap();
        assert_eq!(after, manifest.to_string());
    }

    #[test]
    fn a_folder_keeps_its_ports_until_others_are_named() {
        let scratch = Scratch::new();
        let (folder, state) = (scratch.path().join("extension"), scratch.state());
        let config = folder.join(CONFIG);
        let ours = PortRange::new(17_000, 17_010);
        let other = PortRange::new(18_000, 18_010);
        write(&folder, FILES, &state, &looking(ours)).unwrap();
        assert_eq!(
            pair(&folder, &state, &Wanted::default()).unwrap(),
            Ports::Same
        );
        write(&folder, FILES, &state, &Wanted::default()).unwrap();
        assert_eq!(config_of(&folder).map(|config| config.ports), ours);
        assert_eq!(pair(&folder, &state, &looking(ours)).unwrap(), Ports::Same);
        assert_eq!(
            pair(&folder, &state, &looking(other)).unwrap(),
            Ports::Changed
        );
        assert_eq!(config_of(&folder).map(|config| config.ports), other);
        // A name that the extension does not know goes, and the ports stay.
        let odd = r#"{"ports":{"first":17000,"last":17010},"prots":1}"#;
        fs::write(&config, odd).unwrap();
        assert_eq!(
            pair(&folder, &state, &Wanted::default()).unwrap(),
            Ports::Same
        );
        let written = fs::read_to_string(&config).unwrap();
        assert_eq!(written, r#"{"ports":{"first":17000,"last":17010}}"#);
        // What cannot hold is mended.
        for damage in ["", "{}", r#"{"ports":{"first":9,"last":1}}"#] {
            fs::write(&config, damage).unwrap();
            assert_eq!(
                pair(&folder, &state, &Wanted::default()).unwrap(),
                Ports::Same
            );
            let ports = config_of(&folder).map(|config| config.ports);
            assert_eq!(ports, Some(PortRange::default()));
        }
    }

    #[test]
    fn unpaired_servers_are_let_in_where_the_user_says_until_they_say_otherwise() {
        let scratch = Scratch::new();
        let (folder, state) = (scratch.path().join("extension"), scratch.state());
        let allowing = |ports: &[u16]| Wanted {
            range: None,
            allow_unpaired: Some(ports.to_vec()),
        };
        let allowed = || config_of(&folder).unwrap().allow_unpaired;
        write(&folder, FILES, &state, &allowing(&[8770, 8864])).unwrap();
        let config = fs::read_to_string(folder.join(CONFIG)).unwrap();
        let whole = r#"{"ports":{"first":8765,"last":8775},"allowUnpaired":[8770,8864]}"#;
        assert_eq!(config, whole);
        assert_eq!(
            pair(&folder, &state, &Wanted::default()).unwrap(),
            Ports::Same
        );
        assert_eq!(allowed(), [8770, 8864]);
        // A port where nobody looks is refused, and nothing is written.
        for stray in [8764, 8865] {
            let refused = pair(&folder, &state, &allowing(&[8770, stray])).unwrap_err();
            assert!(
                refused.to_string().contains(&stray.to_string()),
                "{refused}"
            );
            write(&folder, FILES, &state, &allowing(&[stray])).unwrap_err();
        }
        assert_eq!(allowed(), [8770, 8864]);
        let other = looking(PortRange::new(8800, 8810));
        assert_eq!(pair(&folder, &state, &other).unwrap(), Ports::Changed);
        assert_eq!(allowed(), [8864]);
        assert_eq!(
            pair(&folder, &state, &allowing(&[])).unwrap(),
            Ports::Changed
        );
        assert_eq!(allowed(), [] as [u16; 0]);
    }

    #[test]
    fn another_extensions_folder_is_neither_written_nor_paired() {
        let scratch = Scratch::new();
        let (folder, state) = (scratch.path().join("other"), scratch.state());
        fs::create_dir(&folder).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        }
        for manifest in ["{}", "no manifest", r#"{"name":"x","key":"MIIBIjAN"}"#] {
            fs::write(folder.join(MANIFEST), manifest).unwrap();
            let range = Wanted::default();
            let refused = pair(&folder, &state, &range).unwrap_err().to_string();
            assert!(refused.contains("another extension"), "{refused}");
            let refused = write(&folder, FILES, &state, &range).unwrap_err();
            assert!(refused.to_string().contains("name a new folder"));
            assert_eq!(count(&folder), 1);
            let left = fs::read_to_string(folder.join(MANIFEST)).unwrap();
            assert_eq!(left, manifest);
        }
        assert_eq!(count(state.path()), 0, "not even a secret was made");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&folder).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o755);
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_file_is_written_through_a_link() {
        use std::os::unix::fs::symlink;
        let scratch = Scratch::new();
        let (folder, state) = (scratch.path().join("extension"), scratch.state());
        let range = Wanted::default();
        write(&folder, FILES, &state, &range).unwrap();
        let treasure = scratch.path().join("treasure");
        fs::write(&treasure, "kept").unwrap();
        fs::remove_file(folder.join("pkg/core.js")).unwrap();
        symlink(&treasure, folder.join("pkg/core.js")).unwrap();
        write(&folder, FILES, &state, &range).unwrap();
        assert_eq!(fs::read_to_string(&treasure).unwrap(), "kept");
        assert_eq!(fs::read(folder.join("pkg/core.js")).unwrap(), b"1");
        let elsewhere = scratch.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::remove_dir_all(folder.join("pkg")).unwrap();
        symlink(&elsewhere, folder.join("pkg")).unwrap();
        write(&folder, FILES, &state, &range).unwrap_err();
        assert_eq!(count(&elsewhere), 0);
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_refused() {
        let scratch = Scratch::new();
        let state = scratch.state();
        let refused = write(scratch.path(), FILES, &state, &Wanted::default());
        assert!(refused.unwrap_err().to_string().contains("not empty"));
    }

    #[test]
    fn a_binary_without_the_extension_says_how_to_build_it() {
        let scratch = Scratch::new();
        let folder = scratch.path().join("extension");
        let refused = write(&folder, &[], &scratch.state(), &Wanted::default());
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
