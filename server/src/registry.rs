//! The per-user registry of living servers: one file each, under an OS lock for as long as its
//! server lives. The lock is what counts, so a crash is a death like any other; the file's name
//! says the port, so that nothing that is done to its content matters here. Siblings are found by
//! looking ([`Registry::siblings`]) once a second: three system calls a file, which even two hundred
//! servers do not feel.

use crate::state::{StateDir, make_private, random_name};
use serde::Serialize;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How soon a sibling's coming or going is noticed.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A file that is being made is locked and renamed within milliseconds; one this old is a crash's.
const UNFINISHED_MAX: Duration = Duration::from_secs(60);

/// More files than this are not looked at; a range and its overflow hold a hundred servers, a
/// widened range a few hundred.
const FILES_MAX: usize = 1024;

/// A server that looks for its siblings, and is one to them as soon as it can be: a registry that
/// cannot be joined is tried again at each look.
#[derive(Debug)]
pub struct Lookout {
    state: StateDir,
    port: u16,
    registry: Option<Registry>,
    said: bool,
}

impl Lookout {
    /// For the server that listens on `port`; it is not registered before it looks.
    #[must_use]
    pub fn new(state: StateDir, port: u16) -> Self {
        Self {
            state,
            port,
            registry: None,
            said: false,
        }
    }

    /// The ports of the others that live now; none while the registry cannot be joined.
    pub fn look(&mut self) -> Vec<u16> {
        if self.registry.is_none() {
            let folder = self.state.folder("registry");
            match folder.and_then(|folder| Registry::join(&folder, self.port)) {
                Ok(registry) => self.registry = Some(registry),
                Err(error) => {
                    if !self.said {
                        tracing::warn!(%error, "siblings do not learn of this server yet");
                    }
                    self.said = true;
                }
            }
        }
        self.registry
            .as_mut()
            .map(Registry::siblings)
            .unwrap_or_default()
    }
}

/// This server's place among its siblings; gone when dropped.
#[derive(Debug)]
pub struct Registry {
    folder: PathBuf,
    port: u16,
    own: PathBuf,
    // Held for its lock.
    _lock: File,
}

/// For clients that are no server of ours.
#[derive(Serialize)]
struct Entry {
    port: u16,
}

impl Registry {
    /// Registers the server that listens on `port`. The file is locked before it has its name, so
    /// nobody ever sees it unlocked while its server lives.
    ///
    /// # Errors
    /// Of the file system.
    pub fn join(folder: &Path, port: u16) -> io::Result<Self> {
        let name = format!("{port}-{}", random_name()?);
        let temporary = folder.join(format!(".{name}"));
        let file = create_locked(&temporary, port)?;
        let own = folder.join(name);
        fs::rename(&temporary, &own)?;
        Ok(Self {
            folder: folder.to_owned(),
            port,
            own,
            _lock: file,
        })
    }

    /// The ports of the others that live now. Removes what the dead left, and registers this server
    /// anew where somebody has removed its entry.
    #[must_use]
    pub fn siblings(&mut self) -> Vec<u16> {
        if !self.own.exists()
            && make_private(&self.folder).is_ok()
            && let Ok(anew) = Self::join(&self.folder, self.port)
        {
            *self = anew;
        }
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut ports: Vec<u16> = entries
            .take(FILES_MAX)
            .filter_map(Result::ok)
            // Nobody's: a folder, a link, a pipe whose opening would wait for ever.
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .map(|entry| entry.path())
            .filter(|path| *path != self.own)
            .filter_map(|path| living_port(&path))
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Left behind it would be stale and count for nothing.
        let _ = fs::remove_file(&self.own);
    }
}

/// Makes the file `path` that says `port` and is locked.
fn create_locked(path: &Path, port: u16) -> io::Result<File> {
    let mut file = crate::state::create_private(path)?;
    file.lock()?;
    file.write_all(serde_json::to_string(&Entry { port })?.as_bytes())?;
    Ok(file)
}

fn living_port(path: &Path) -> Option<u16> {
    let file = File::open(path).ok()?;
    let unfinished = path.file_name()?.to_string_lossy().starts_with('.');
    if unfinished {
        let age = file.metadata().ok()?.modified().ok()?.elapsed().ok()?;
        if age < UNFINISHED_MAX {
            return None;
        }
    }
    match file.try_lock_shared() {
        // Nobody holds it.
        Ok(()) => {
            let _ = fs::remove_file(path);
            None
        }
        Err(TryLockError::WouldBlock) if !unfinished => {
            path.file_name()?.to_str()?.split_once('-')?.0.parse().ok()
        }
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    fn folder(scratch: &Scratch) -> PathBuf {
        scratch.state().folder("registry").unwrap()
    }

    #[test]
    fn servers_see_one_another_and_not_themselves() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let mut one = Registry::join(&folder, 8765).unwrap();
        assert_eq!(one.siblings(), Vec::<u16>::new());
        let two = Registry::join(&folder, 8770).unwrap();
        let mut three = Registry::join(&folder, 8766).unwrap();
        assert_eq!(one.siblings(), vec![8766, 8770]);
        assert_eq!(three.siblings(), vec![8765, 8770]);
        drop(two);
        assert_eq!(one.siblings(), vec![8766]);
    }

    #[test]
    fn a_stale_file_never_counts_and_is_removed() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let mut one = Registry::join(&folder, 8765).unwrap();
        // What a killed server leaves: a file that nobody locks.
        fs::write(folder.join("8769-dead"), "{\"port\":8769}").unwrap();
        assert_eq!(one.siblings(), Vec::<u16>::new());
        assert!(!folder.join("8769-dead").exists());
    }

    #[test]
    fn whatever_is_done_to_the_entry_of_a_living_server_it_is_told_right_and_left_alone() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let mut one = Registry::join(&folder, 8765).unwrap();
        let two = Registry::join(&folder, 8770).unwrap();
        for damage in [
            b"".to_vec(),
            b"garbage".to_vec(),
            b"\xff\xfe".to_vec(),
            b"{\"port\":8765}".to_vec(),
            b"{\"port\":70000}".to_vec(),
            b"{\"version\":9,\"ports\":[8771]}".to_vec(),
            vec![b'['; 8 << 20],
        ] {
            fs::write(&two.own, &damage).unwrap();
            assert_eq!(one.siblings(), [8770]);
            assert_eq!(fs::read(&two.own).unwrap(), damage);
        }
        let own = two.own.clone();
        drop(two);
        assert!(!own.exists(), "it takes its entry with it as ever");
        assert_eq!(one.siblings(), Vec::<u16>::new());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_counts_for_nothing_and_nothing_behind_it_is_touched() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let mut one = Registry::join(&folder, 8765).unwrap();
        let two = Registry::join(&folder, 8770).unwrap();
        let precious = scratch.path().join("precious");
        fs::write(&precious, "mine").unwrap();
        let at = |name: &str| folder.join(name);
        fs::create_dir(at("8771-folder")).unwrap();
        std::os::unix::fs::symlink(&precious, at("8772-link")).unwrap();
        std::os::unix::fs::symlink(&two.own, at("8773-link")).unwrap();
        std::os::unix::fs::symlink(scratch.path().join("nowhere"), at("8774-link")).unwrap();
        let pipe = std::process::Command::new("mkfifo")
            .arg(at("8775-pipe"))
            .status();
        assert!(pipe.unwrap().success());
        assert_eq!(one.siblings(), [8770]);
        assert_eq!(fs::read_to_string(precious).unwrap(), "mine");
    }

    #[test]
    fn a_server_whose_entry_was_removed_registers_anew() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let mut one = Registry::join(&folder, 8765).unwrap();
        let mut two = Registry::join(&folder, 8770).unwrap();
        fs::remove_file(&two.own).unwrap();
        assert_eq!(one.siblings(), Vec::<u16>::new());
        assert_eq!(two.siblings(), [8765]);
        assert_eq!(one.siblings(), [8770]);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(two.siblings(), Vec::<u16>::new());
        assert_eq!(one.siblings(), [8770]);
        assert_eq!(two.siblings(), [8765]);
    }

    #[test]
    fn a_registry_that_could_not_be_joined_is_joined_when_it_can_be() {
        let scratch = Scratch::new();
        let in_the_way = scratch.state().path().join("registry");
        fs::write(&in_the_way, "").unwrap();
        let mut late = Lookout::new(scratch.state(), 8766);
        assert_eq!(late.look(), Vec::<u16>::new());
        fs::remove_file(&in_the_way).unwrap();
        let mut one = Registry::join(&folder(&scratch), 8765).unwrap();
        assert_eq!(late.look(), [8765]);
        assert_eq!(one.siblings(), [8766]);
    }

    #[test]
    fn a_file_is_locked_before_it_has_its_name() {
        let scratch = Scratch::new();
        let path = folder(&scratch).join(".8765-new");
        let _locked = create_locked(&path, 8765).unwrap();
        let other = File::open(&path).unwrap();
        assert!(matches!(
            other.try_lock_shared(),
            Err(TryLockError::WouldBlock)
        ));
    }

    #[test]
    fn a_file_that_is_being_made_is_left_alone() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let mut one = Registry::join(&folder, 8765).unwrap();
        fs::write(folder.join(".8769-new"), "").unwrap();
        assert_eq!(one.siblings(), Vec::<u16>::new());
        assert!(folder.join(".8769-new").exists());
    }

    #[test]
    fn the_file_is_as_the_protocols_page_shows_it() {
        let shown = include_str!("../../protocol/tests/golden/other/registry.json");
        let written = serde_json::to_value(Entry { port: 8766 }).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<serde_json::Value>(shown).unwrap()
        );
    }

    #[test]
    fn nothing_secret_stands_in_the_registry() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let one = Registry::join(&folder, 8765).unwrap();
        assert_eq!(fs::read_to_string(&one.own).unwrap(), "{\"port\":8765}");
    }
}
