//! Who a restarted server is: `instances/<key>` holds session, token and browser, under an OS lock
//! while its server lives (`design/tabs.md`, *Sessions*). It knows nothing of sockets; the machine
//! says when to [`Keeper::save`] and when to [`Keeper::mark_ending`].

use crate::state::{about, random, read_small, replace_private};
use protocol::pairing::to_hex;
use protocol::{BrowserId, SessionId, limits};
use serde::{Deserialize, Serialize};
use server_core::{BoundBrowser, Identity};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How long a starter waits for a holder that has written that it is ending; one exits within 1 s.
pub const ENDING_WAIT: Duration = Duration::from_secs(2);
/// How long it waits for one that has not written so: clients close one server and start the next
/// in the same breath, and the closed one needs a moment to learn of it.
const HELD_WAIT: Duration = Duration::from_millis(200);
/// How often it looks.
const ENDING_LOOK: Duration = Duration::from_millis(20);
/// Identities that nobody used for so long are removed: their sessions ended minutes after them.
const UNUSED_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// A file with a passing name has it for milliseconds; one this old was left by a killed process.
const UNFINISHED_MAX: Duration = Duration::from_secs(60);
/// Files looked at for that in one start.
const PRUNE_MAX: usize = 256;

/// The file's content.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    version: u32,
    session_id: SessionId,
    resume_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    browser: Option<Browser>,
    #[serde(default)]
    has_tabs: bool,
    #[serde(default)]
    ending: bool,
}

#[derive(Clone, Serialize, Deserialize)]
struct Browser {
    id: BrowserId,
    name: String,
}

/// The longest token that is believed; ours have 32 digits.
const TOKEN_MAX: usize = 256;
/// The version that is written and read; another one is as good as none.
const VERSION: u32 = 1;

/// Holds the identity's lock; without one (another instance has it) it keeps nothing.
#[derive(Debug)]
pub struct Keeper {
    file: Option<Held>,
    last: Identity,
}

#[derive(Debug)]
struct Held {
    data: PathBuf,
    // Held for its lock.
    _lock: File,
}

/// How an identity was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Read from the file: the session goes on.
    Resumed,
    /// Made and written.
    Fresh,
    /// Made and written, because what was written cannot be read.
    Damaged,
    /// Another living server has it: made, and kept nowhere.
    Held,
}

/// What names an instance when the user does not: the client's process and the folder it works
/// in. None where the system does not tell.
#[must_use]
pub fn key(instance_id: Option<&str>) -> Option<String> {
    let parts = match instance_id {
        Some(id) => vec!["named".to_owned(), id.to_owned()],
        None => {
            let (parent, started) = parent()?;
            let folder = std::env::current_dir().ok()?;
            vec![
                "process".to_owned(),
                parent.to_string(),
                started,
                folder.to_string_lossy().into_owned(),
            ]
        }
    };
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let mut name = to_hex(&digest.finalize().into());
    name.truncate(32);
    Some(name)
}

#[cfg(unix)]
fn parent() -> Option<(u32, String)> {
    let parent = std::os::unix::process::parent_id();
    // Elsewhere than on Linux the number alone has to do: a session that nobody resumes within
    // minutes is gone, and numbers do not come around that fast.
    let started = fs::read_to_string(format!("/proc/{parent}/stat"))
        .ok()
        .and_then(|stat| start_time(&stat).map(str::to_owned))
        .unwrap_or_default();
    Some((parent, started))
}

#[cfg(not(unix))]
fn parent() -> Option<(u32, String)> {
    None
}

/// Field 22 of `/proc/PID/stat` (proc(5)); the second field may hold spaces and brackets.
#[cfg(unix)]
fn start_time(stat: &str) -> Option<&str> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(19)
}

/// Takes the identity `key` of `folder`, waiting for a holder that is ending. Blocks for up to
/// [`ENDING_WAIT`].
///
/// # Errors
/// Of the file system, or when the system has no randomness.
pub fn take(folder: &Path, key: Option<&str>) -> io::Result<(Keeper, Identity, Origin)> {
    let fresh = server_core::fresh_identity(random()?);
    let unheld = |identity: Identity, origin| {
        let keeper = Keeper {
            file: None,
            last: identity.clone(),
        };
        (keeper, identity, origin)
    };
    let Some(key) = key else {
        return Ok(unheld(fresh, Origin::Fresh));
    };
    prune(folder, key);
    let data = folder.join(key);
    let Some(lock) = lock(folder, key, &data)? else {
        return Ok(unheld(fresh, Origin::Held));
    };
    let (identity, origin) = match read(&data) {
        Ok(record) => (record.into(), Origin::Resumed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (fresh, Origin::Fresh),
        Err(_) => (fresh, Origin::Damaged),
    };
    let mut keeper = Keeper {
        file: Some(Held { data, _lock: lock }),
        last: identity.clone(),
    };
    // This also takes back the word of a former holder that it is ending.
    keeper
        .save(&identity)
        .map_err(|error| about(&folder.join(key), &error))?;
    Ok((keeper, identity, origin))
}

/// The lock, or nothing when somebody holds it who is not ending.
fn lock(folder: &Path, key: &str, data: &Path) -> io::Result<Option<File>> {
    let path = folder.join(format!("{key}.lock"));
    let began = Instant::now();
    loop {
        let file = open_lock(&path).map_err(|error| about(&path, &error))?;
        match file.try_lock() {
            Ok(()) if still_named(&file) => return Ok(Some(file)),
            // Removed as unused between opening and locking.
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {
                let ending = read(data).is_ok_and(|record| record.ending);
                let wait = if ending { ENDING_WAIT } else { HELD_WAIT };
                if began.elapsed() >= wait {
                    return Ok(None);
                }
                std::thread::sleep(ENDING_LOOK);
            }
        }
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        // A pipe would wait for its reader.
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file"));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn still_named(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|data| std::os::unix::fs::MetadataExt::nlink(&data) > 0)
}

#[cfg(not(unix))]
fn still_named(_file: &File) -> bool {
    true
}

fn read(path: &Path) -> io::Result<Record> {
    let record: Record = serde_json::from_str(&read_small(path)?)?;
    if record.is_sound() {
        return Ok(record);
    }
    Err(io::Error::from(io::ErrorKind::InvalidData))
}

impl Record {
    /// Whether all of it is as this version writes it; a browser would refuse anything else.
    fn is_sound(&self) -> bool {
        let token = (1..=TOKEN_MAX).contains(&self.resume_token.len());
        let browser = self.browser.as_ref().is_none_or(|browser| {
            (1..=limits::BROWSER_ID_MAX).contains(&browser.id.0.len())
                && browser.name.chars().count() <= limits::LABEL_MAX
        });
        self.version == VERSION && token && browser
    }
}

/// Removes identities of instances that will not come back.
fn prune(folder: &Path, keep: &str) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.take(PRUNE_MAX).flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            // Never renamed into place: its writer died.
            if unused_for(UNFINISHED_MAX, &[&path]) {
                let _ = fs::remove_file(&path);
            }
            continue;
        }
        let Some(key) = name.to_str().and_then(|name| name.strip_suffix(".lock")) else {
            continue;
        };
        let data = folder.join(key);
        if key != keep
            && unused_for(UNUSED_MAX, &[&path, &data])
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&data);
            let _ = fs::remove_file(&path);
        }
    }
}

fn unused_for(time: Duration, paths: &[&Path]) -> bool {
    let used = paths
        .iter()
        .filter_map(|path| fs::metadata(path).ok()?.modified().ok())
        .max();
    used.and_then(|used| SystemTime::now().duration_since(used).ok())
        .is_some_and(|age| age > time)
}

impl Keeper {
    /// Writes the identity down.
    ///
    /// # Errors
    /// Of the file system.
    pub fn save(&mut self, identity: &Identity) -> io::Result<()> {
        self.last = identity.clone();
        self.write(false)
    }

    /// Writes down that this server is ending: a starter then waits for it.
    ///
    /// # Errors
    /// Of the file system.
    pub fn mark_ending(&self) -> io::Result<()> {
        self.write(true)
    }

    fn write(&self, ending: bool) -> io::Result<()> {
        let Some(held) = &self.file else {
            return Ok(());
        };
        let record = Record {
            version: VERSION,
            session_id: self.last.session_id.clone(),
            resume_token: self.last.resume_token.clone(),
            browser: self.last.browser.as_ref().map(|browser| Browser {
                id: browser.id.clone(),
                name: browser.name.clone(),
            }),
            has_tabs: self.last.has_tabs,
            ending,
        };
        replace_private(&held.data, serde_json::to_string(&record)?.as_bytes())
    }
}

impl From<Record> for Identity {
    fn from(record: Record) -> Self {
        Self {
            session_id: record.session_id,
            resume_token: record.resume_token,
            browser: record.browser.map(|browser| BoundBrowser {
                id: browser.id,
                name: browser.name,
            }),
            // Who leaves by itself is not told later that its tabs were closed.
            has_tabs: record.has_tabs && !record.ending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::Scratch;

    fn folder(scratch: &Scratch) -> PathBuf {
        scratch.state().folder("instances").unwrap()
    }

    fn bound(mut identity: Identity) -> Identity {
        identity.browser = Some(BoundBrowser {
            id: BrowserId("b".into()),
            name: "work".into(),
        });
        identity
    }

    #[test]
    fn who_was_killed_left_its_tabs_behind_and_who_ended_did_not() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        for (ends, left) in [(false, true), (true, false)] {
            let (mut keeper, mut identity, _) = take(&folder, Some("k")).unwrap();
            identity.has_tabs = true;
            keeper.save(&identity).unwrap();
            if ends {
                keeper.mark_ending().unwrap();
            }
            drop(keeper);
            let (_, next, _) = take(&folder, Some("k")).unwrap();
            assert_eq!(next.has_tabs, left);
        }
    }

    #[test]
    fn a_restarted_server_is_the_same_session() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let (mut keeper, first, origin) = take(&folder, Some("k")).unwrap();
        assert_eq!(origin, Origin::Fresh);
        let first = bound(first);
        keeper.save(&first).unwrap();
        drop(keeper);
        let (_keeper, second, origin) = take(&folder, Some("k")).unwrap();
        assert_eq!((second, origin), (first, Origin::Resumed));
    }

    #[test]
    fn an_identity_that_is_held_gives_a_fresh_one_that_is_kept_nowhere() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let (keeper, first, _) = take(&folder, Some("k")).unwrap();
        let began = Instant::now();
        let (mut other, second, origin) = take(&folder, Some("k")).unwrap();
        assert_eq!(origin, Origin::Held);
        assert!(began.elapsed() < ENDING_WAIT, "it does not wait long");
        assert_ne!(first.session_id, second.session_id);
        other.save(&bound(second)).unwrap();
        drop(keeper);
        let (_keeper, again, _) = take(&folder, Some("k")).unwrap();
        assert_eq!(again, first);
    }

    #[test]
    fn a_starter_waits_for_a_holder_that_is_ending() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let (keeper, first, _) = take(&folder, Some("k")).unwrap();
        keeper.mark_ending().unwrap();
        let leaving = std::thread::spawn(move || {
            // Longer than anybody waits for one that is not.
            std::thread::sleep(2 * HELD_WAIT);
            drop(keeper);
        });
        let (_keeper, second, origin) = take(&folder, Some("k")).unwrap();
        leaving.join().unwrap();
        assert_eq!((second, origin), (first, Origin::Resumed));
        let record = read(&folder.join("k")).unwrap();
        assert!(!record.ending, "the mark is the former holder's");
    }

    #[test]
    fn the_file_is_as_the_protocols_page_shows_it() {
        let shown = include_str!("../../protocol/tests/golden/other/identity.json");
        let record: Record = serde_json::from_str(shown).unwrap();
        let written = serde_json::to_value(&record).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<serde_json::Value>(shown).unwrap()
        );
    }

    #[test]
    fn a_damaged_file_costs_its_session_and_nothing_else() {
        let good = include_str!("../../protocol/tests/golden/other/identity.json");
        let with = |field: &str, value: serde_json::Value| {
            let mut record: serde_json::Value = serde_json::from_str(good).unwrap();
            record[field] = value;
            record.to_string().into_bytes()
        };
        for damage in [
            b"".to_vec(),
            b"garbage".to_vec(),
            b"\xff\xfe".to_vec(),
            good.as_bytes()[..good.len() / 2].to_vec(),
            format!("\u{feff}{good}").into_bytes(),
            b"[7]".to_vec(),
            vec![b' '; 20 << 20],
            "[".repeat(10_000).into_bytes(),
            with("version", 2.into()),
            with("version", (-1).into()),
            with("sessionId", "a b".into()),
            with("sessionId", "".into()),
            with("sessionId", 7.into()),
            with("resumeToken", "".into()),
            with("resumeToken", "t".repeat(10_000).into()),
            with("browser", serde_json::json!({"id": "", "name": "x"})),
            with(
                "browser",
                serde_json::json!({"id": "b".repeat(129), "name": "x"}),
            ),
            with(
                "browser",
                serde_json::json!({"id": "b", "name": "x".repeat(81)}),
            ),
            with("ending", "yes".into()),
        ] {
            let scratch = Scratch::new();
            let folder = folder(&scratch);
            let shown = String::from_utf8_lossy(&damage[..damage.len().min(80)]).into_owned();
            fs::write(folder.join("k"), damage).unwrap();
            let (keeper, fresh, origin) = take(&folder, Some("k")).unwrap();
            assert_eq!(origin, Origin::Damaged, "{shown}");
            drop(keeper);
            let (_keeper, again, origin) = take(&folder, Some("k")).unwrap();
            assert_eq!((again, origin), (fresh, Origin::Resumed), "{shown}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_an_error_that_names_it_and_nobody_waits_for_it() {
        use std::os::unix::fs::symlink;
        let pipe = |path: &Path| {
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        };
        type Make<'a> = &'a dyn Fn(&Path);
        let makes: [Make<'_>; 3] = [
            &|path| fs::create_dir_all(path.join("full")).unwrap(),
            &pipe,
            &|path| {
                let behind = path.with_extension("behind");
                pipe(&behind);
                symlink(behind, path).unwrap();
            },
        ];
        for (number, make) in makes.iter().enumerate() {
            for name in ["k", "k.lock"] {
                let scratch = Scratch::new();
                let folder = folder(&scratch);
                make(&folder.join(name));
                let taken = take(&folder, Some("k"));
                if let Err(error) = &taken {
                    let path = folder.join(name);
                    let told = error.to_string().contains(path.to_str().unwrap());
                    assert!(told, "{number} {name}: {error}");
                }
                // A file takes the place of all but a folder.
                let replaced = name == "k" && number > 0;
                assert_eq!(taken.is_ok(), replaced, "{number} {name}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        let _kept = take(&folder, Some("k")).unwrap();
        for name in ["k", "k.lock"] {
            let mode = fs::metadata(folder.join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn identities_unused_for_a_month_are_removed() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        for (key, age) in [("old", UNUSED_MAX * 2), ("new", Duration::ZERO)] {
            drop(take(&folder, Some(key)).unwrap());
            for name in [key.to_owned(), format!("{key}.lock")] {
                let file = OpenOptions::new()
                    .write(true)
                    .open(folder.join(name))
                    .unwrap();
                file.set_modified(SystemTime::now() - age).unwrap();
            }
        }
        let _kept = take(&folder, Some("k")).unwrap();
        assert!(!folder.join("old").exists() && !folder.join("old.lock").exists());
        assert!(folder.join("new").exists());
    }

    #[test]
    fn what_a_killed_server_left_half_written_is_removed_after_a_minute() {
        let scratch = Scratch::new();
        let folder = folder(&scratch);
        for (name, age, stays) in [
            (".k-01", Duration::ZERO, true),
            (".k-02", 2 * UNFINISHED_MAX, false),
        ] {
            let path = folder.join(name);
            let file = File::create(&path).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
            drop(take(&folder, Some("k")).unwrap());
            assert_eq!(path.exists(), stays, "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_key_is_of_the_parent_its_start_and_the_folder_or_of_the_name() {
        assert_eq!(key(None), key(None));
        assert_eq!(key(Some("a")), key(Some("a")));
        assert_ne!(key(Some("a")), key(Some("b")));
        assert_ne!(key(Some("a")), key(None));
        assert!(parent().is_some_and(|(_, started)| started.parse::<u64>().is_ok()));
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(start_time(stat), Some("4242"));
    }
}
