//! The user's state folder and the pairing secret in it (`design/security.md`, *Pairing*). The
//! secret is made once, read at each handshake, and written nowhere but here and into the
//! extension folders that the user names.

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use protocol::pairing::Secret;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant, SystemTime};

/// The secret's file, 64 hex digits.
const SECRET: &str = "secret";
/// What the names of secrets begin with that are not in their place yet.
const NEW_SECRET: &str = ".secret-";
/// Such a file that is older was left by a process that was killed; a living one needs
/// milliseconds.
const NEW_SECRET_MAX: Duration = Duration::from_secs(60);
/// Files looked at for that in one start.
const SWEEP_MAX: usize = 256;
/// The longest file of ours; an identity has some hundred bytes.
const SMALL_MAX: u64 = 16 * 1024;
/// How long the end of a process waits for a file: a disk needs milliseconds, and with one that is
/// stuck the client must not be kept waiting.
const STOP_MAX: Duration = Duration::from_millis(200);
/// How often it looks whether the file is written.
const STOP_EVERY: Duration = Duration::from_millis(2);

/// A state folder that exists, private to the user.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// Opens `path`, or the system's place for the state of programs, and makes it where it is
    /// missing.
    ///
    /// # Errors
    /// When there is no such place or it cannot be made private.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let path = match path {
            Some(path) => std::path::absolute(path)?,
            None => default_path()
                .ok_or_else(|| io::Error::other("no home folder; give --state-dir"))?,
        };
        make_private(&path).map_err(|error| about(&path, &error))?;
        sweep(&path, SystemTime::now());
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder in it, made where it is missing.
    ///
    /// # Errors
    /// Of the file system.
    pub fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        make_private(&path).map_err(|error| about(&path, &error))?;
        Ok(path)
    }

    /// The secret, made at the first use: whoever loses the race to make it reads the winner's.
    ///
    /// # Errors
    /// Of the file system, or when the file holds something else.
    pub fn secret(&self) -> io::Result<Secret> {
        match self.read_secret() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        let temporary = self.write_new_secret()?;
        let linked = fs::hard_link(&temporary, self.path.join(SECRET));
        let removed = fs::remove_file(&temporary);
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => removed?,
        }
        self.read_secret()
    }

    /// The secret as it is now; never makes one.
    ///
    /// # Errors
    /// Of the file system, or when the file holds something else; both name the file, and
    /// [`StateDir::rotate_secret`] mends both.
    pub fn read_secret(&self) -> io::Result<Secret> {
        let path = self.path.join(SECRET);
        let text = read_small(&path).map_err(|error| about(&path, &error))?;
        Secret::from_hex(&text).ok_or_else(|| {
            let why = io::Error::new(io::ErrorKind::InvalidData, "it does not hold 64 hex digits");
            about(&path, &why)
        })
    }

    /// Replaces the secret. Every extension folder has to be paired again.
    ///
    /// # Errors
    /// Of the file system.
    pub fn rotate_secret(&self) -> io::Result<()> {
        let temporary = self.write_new_secret()?;
        fs::rename(&temporary, self.path.join(SECRET)).inspect_err(|_| {
            // The first error is the one that tells.
            let _ = fs::remove_file(&temporary);
        })
    }

    /// Changes when the secret is replaced; nothing where there is none.
    #[must_use]
    pub fn secret_stamp(&self) -> Option<SystemTime> {
        fs::metadata(self.path.join(SECRET)).ok()?.modified().ok()
    }

    fn write_new_secret(&self) -> io::Result<PathBuf> {
        let secret = Secret::new(random()?);
        let path = self.path.join(format!("{NEW_SECRET}{}", random_name()?));
        let mut file = create_private(&path)?;
        let written = file.write_all(secret.to_hex().as_bytes());
        if let Err(error) = written.and_then(|()| file.sync_all()) {
            // The first error is the one that tells.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(path)
    }
}

/// An error of the file system that says of which file it is.
#[must_use]
pub fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Removes secrets that never came to their place. What cannot be removed stays for the next start.
fn sweep(folder: &Path, now: SystemTime) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.take(SWEEP_MAX) {
        let left = entry.file_name().to_string_lossy().starts_with(NEW_SECRET)
            && entry
                .metadata()
                .and_then(|found| found.modified())
                .is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > NEW_SECRET_MAX));
        if left {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The system's place for the state of this program.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    let system = choose_native_strategy().ok()?;
    let states = system.state_dir().unwrap_or_else(|| system.data_dir());
    Some(states.join("interlock"))
}

/// 32 bytes of the system's randomness.
///
/// # Errors
/// When the system has none.
pub fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A name that nobody else chooses.
///
/// # Errors
/// When the system has no randomness.
pub fn random_name() -> io::Result<String> {
    let mut name = protocol::pairing::to_hex(&random()?);
    name.truncate(16);
    Ok(name)
}

/// Makes a folder, and those above it, that only the user can enter.
///
/// # Errors
/// Of the file system.
pub fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    // It may be older than we are.
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// The text of a small file of ours. What is no file is not read: of a pipe the end would be awaited
/// for ever.
///
/// # Errors
/// `InvalidData` for what is no file, too long or no UTF-8; others of the file system.
pub fn read_small(path: &Path) -> io::Result<String> {
    let bad = |why| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    if !fs::metadata(path)?.is_file() {
        return bad("it is no file");
    }
    let mut text = String::new();
    File::open(path)?
        .take(SMALL_MAX + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > SMALL_MAX) {
        return bad("it is too long");
    }
    Ok(text)
}

/// Makes a file that must not exist yet and that only the user can read.
///
/// # Errors
/// Of the file system.
pub fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Held while a file has a passing name.
static WRITING: Mutex<()> = Mutex::new(());

/// Keeps [`stop_writing`] waiting until the guard is dropped.
pub fn writing() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the file that is being written and lets no other be begun, or gives up after `STOP_MAX`.
/// For the last moment of a process: threads that it does not wait for would leave a file under its
/// passing name.
pub fn stop_writing() {
    stop(&WRITING, STOP_MAX);
}

fn stop(writing: &'static Mutex<()>, at_most: Duration) {
    let began = Instant::now();
    loop {
        match writing.try_lock() {
            Ok(guard) => return std::mem::forget(guard),
            Err(TryLockError::Poisoned(broken)) => return std::mem::forget(broken.into_inner()),
            Err(TryLockError::WouldBlock) if began.elapsed() >= at_most => return,
            Err(TryLockError::WouldBlock) => std::thread::sleep(STOP_EVERY),
        }
    }
}

/// Writes a private file so that readers see the old content or the new, nothing between.
///
/// # Errors
/// Of the file system.
pub fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}-{}", random_name()?));
    let _writing = writing();
    let written = create_private(&temporary)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Nothing of ours stays behind; the first error is the one that tells.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder that is gone with its owner.
    #[derive(Debug)]
    pub(crate) struct Scratch(PathBuf);

    impl Scratch {
        pub(crate) fn new() -> Self {
            let path =
                std::env::temp_dir().join(format!("interlock-test-{}", random_name().unwrap()));
            make_private(&path).unwrap();
            Self(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }

        pub(crate) fn state(&self) -> StateDir {
            StateDir::open(Some(&self.0.join("state"))).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_secret_is_made_once_however_many_ask_at_the_same_moment() {
        let scratch = Scratch::new();
        let state = scratch.state();
        let secrets: Vec<Secret> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| state.secret().unwrap()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn state_is_private_to_the_user() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new();
        let path = scratch.path().join("state");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let state = scratch.state();
        state.secret().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(SECRET)), 0o600);
        assert_eq!(mode(&state.folder("registry").unwrap()), 0o700);
    }

    #[test]
    fn a_rotated_secret_is_another_and_is_noticed() {
        let scratch = Scratch::new();
        let state = scratch.state();
        let (old, stamp) = (state.secret().unwrap(), state.secret_stamp());
        std::thread::sleep(Duration::from_millis(20));
        state.rotate_secret().unwrap();
        assert_ne!(state.secret().unwrap(), old);
        assert_ne!(state.secret_stamp(), stamp);
    }

    #[test]
    fn a_secret_that_cannot_take_its_place_leaves_nothing_behind() {
        let scratch = Scratch::new();
        let state = scratch.state();
        fs::create_dir(state.path().join(SECRET)).unwrap();
        state.rotate_secret().unwrap_err();
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_end_waits_for_the_file_that_is_being_written_and_lets_no_other_begin() {
        static WRITING: Mutex<()> = Mutex::new(());
        let file = WRITING.lock().unwrap();
        let ending = std::thread::spawn(|| stop(&WRITING, Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!ending.is_finished());
        drop(file);
        ending.join().unwrap();
        assert!(WRITING.try_lock().is_err());
    }

    #[test]
    fn the_end_does_not_wait_for_a_disk_that_is_stuck() {
        static WRITING: Mutex<()> = Mutex::new(());
        let _stuck = WRITING.lock().unwrap();
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            stop(&WRITING, Duration::from_millis(50));
            ended.send(())
        });
        end.recv_timeout(Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_swept_away_after_a_minute() {
        let scratch = Scratch::new();
        let state = scratch.state();
        state.secret().unwrap();
        let left = state.path().join(format!("{NEW_SECRET}0123"));
        fs::write(&left, "x").unwrap();
        scratch.state();
        assert!(left.exists(), "somebody may be about to link it");
        sweep(state.path(), SystemTime::now() + 2 * NEW_SECRET_MAX);
        assert!(!left.exists());
        assert!(state.read_secret().is_ok());
        let at = SystemTime::now() - 2 * NEW_SECRET_MAX;
        let file = File::create(&left).unwrap();
        file.set_modified(at).unwrap();
        scratch.state();
        assert!(!left.exists(), "each start looks");
    }

    #[test]
    fn a_damaged_secret_is_an_error_and_is_not_replaced_silently() {
        let scratch = Scratch::new();
        let state = scratch.state();
        fs::write(state.path().join(SECRET), "short").unwrap();
        assert!(state.secret().is_err());
        assert_eq!(
            fs::read_to_string(state.path().join(SECRET)).unwrap(),
            "short"
        );
    }
}
