//! Where a tool may write a file: under the roots, and nowhere else. The roots are the working
//! folder (unless that is `/` or the home folder), the folders that the user named, and a private
//! output folder. Never the state folder, nor a folder that holds a `pairing.json`
//! (`design/security.md`, *Acting*).

use super::folder::Folder;
use crate::state::make_private;
use protocol::error::Fault;
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// A folder that holds this file holds the pairing secret.
const SECRET_FILE: &str = "pairing.json";

/// Names tried for the file that is renamed into place: one is enough unless a crash left some.
const TEMPORARY_MAX: u32 = 100;

/// See the module's own words.
#[derive(Clone, Debug)]
pub struct Roots {
    allowed: Vec<PathBuf>,
    output: PathBuf,
    state: PathBuf,
}

impl Roots {
    /// `cwd` is where the server was started, `named` what `--roots` says, `output` the private
    /// folder (made when it is first written to), `state` the state folder.
    #[must_use]
    pub fn new(
        cwd: &Path,
        home: Option<&Path>,
        named: &[PathBuf],
        output: &Path,
        state: &Path,
    ) -> Self {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let cwd = real(cwd).filter(|cwd| {
            let is_home = home.and_then(real).is_some_and(|home| home == *cwd);
            cwd.parent().is_some() && !is_home
        });
        let named = named.iter().filter_map(|root| real(root));
        Self {
            allowed: cwd.into_iter().chain(named).collect(),
            output: output.to_owned(),
            state: state.to_owned(),
        }
    }

    /// Writes a file that only the user can read and gives its full path. A relative `name` is
    /// under the first root. An existing file is replaced, a symlink by that name too (never what
    /// it points to).
    ///
    /// # Errors
    /// `bad_arguments` saying what about the name is refused, `internal` when the disk fails.
    pub(super) fn write(
        &self,
        name: &str,
        extensions: &[&str],
        bytes: &[u8],
    ) -> Result<PathBuf, Fault> {
        let path = Path::new(name);
        let known = path
            .extension()
            .is_some_and(|found| extensions.iter().any(|e| found.eq_ignore_ascii_case(e)));
        if !known {
            return refuse(format!("`filename` ends in .{}", extensions.join(" or .")));
        }
        if path.components().any(|part| part == Component::ParentDir) || name.contains('\0') {
            return refuse("`filename` has no `..` in it");
        }
        let (folder, file) = self.place(path)?;
        write_into(&folder, &file, bytes)
    }

    /// The real folder and the name in it.
    fn place(&self, path: &Path) -> Result<(PathBuf, PathBuf), Fault> {
        let output = self.private_output();
        let first = self.allowed.first().cloned();
        let Some(base) = first.or_else(|| output.clone()) else {
            return refuse("there is no folder to write to; start the server with `--roots`");
        };
        let path = base.join(path);
        let (Some(parent), Some(file)) = (path.parent(), path.file_name()) else {
            return refuse("`filename` names a file");
        };
        let Ok(folder) = fs::canonicalize(parent) else {
            return refuse(format!("the folder {} does not exist", parent.display()));
        };
        let roots = self.allowed.iter().chain(&output);
        if !roots.into_iter().any(|root| folder.starts_with(root)) {
            let roots = self.allowed.iter().chain(&output);
            let roots: Vec<_> = roots.map(|root| root.display().to_string()).collect();
            return refuse(format!("`filename` is under {}", roots.join(" or ")));
        }
        // It may have been made after the start.
        let state = fs::canonicalize(&self.state);
        if state.is_ok_and(|state| folder.starts_with(state))
            || folder.ancestors().any(|up| up.join(SECRET_FILE).exists())
        {
            return refuse("nothing is written into a folder that holds a secret");
        }
        if folder.join(file).is_dir() {
            return refuse("`filename` is a folder");
        }
        Ok((folder, file.into()))
    }

    /// None when it is not the user's own: a link, or another user's folder, which then keeps its
    /// mode.
    fn private_output(&self) -> Option<PathBuf> {
        if let Ok(found) = fs::symlink_metadata(&self.output)
            && (found.is_symlink() || !is_own(&found))
        {
            return None;
        }
        make_private(&self.output).ok()?;
        let output = fs::canonicalize(&self.output).ok()?;
        // It may have been made meanwhile.
        let found = fs::metadata(&output).ok()?;
        is_own(&found).then_some(output)
    }
}

/// A root's server may enter and close everybody's folder, and yet its owner may open it again.
#[cfg(unix)]
fn is_own(folder: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(folder) == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_own(_folder: &fs::Metadata) -> bool {
    true
}

fn refuse<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::BadArguments { what: what.into() })
}

/// Writes the file into a folder that was found good, and which somebody may have changed since.
fn write_into(folder: &Path, file: &Path, bytes: &[u8]) -> Result<PathBuf, Fault> {
    use io::ErrorKind as Kind;
    let Err(error) = write_privately(folder, file, bytes) else {
        return Ok(folder.join(file));
    };
    let folder = folder.display();
    let is = |kinds: &[Kind]| kinds.contains(&error.kind());
    if is(&[Kind::InvalidFilename]) {
        refuse("`filename` is too long, or holds what this system takes in no name")
    } else if is(&[Kind::NotFound, Kind::NotADirectory]) {
        refuse(format!(
            "the folder {folder} was removed or replaced during the call, and nothing is written \
             through a link; see what it is now, or take a `filename` elsewhere"
        ))
    } else if is(&[Kind::IsADirectory]) {
        refuse("`filename` is a folder")
    } else if is(&[Kind::PermissionDenied, Kind::ReadOnlyFilesystem]) {
        refuse(format!(
            "this user may not write into the folder {folder}; take a `filename` elsewhere"
        ))
    } else {
        let file = file.display();
        let what = format!("{file} could not be written into {folder}: {error}");
        Err(Fault::Internal { what })
    }
}

/// Under a fresh name first, so that no reader sees half a file and no link is followed.
fn write_privately(folder: &Path, name: &Path, bytes: &[u8]) -> io::Result<()> {
    let inside = Folder::open(folder)?;
    let own = std::process::id();
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for attempt in 0..TEMPORARY_MAX {
        let temporary = PathBuf::from(format!(".interlock-{own}-{attempt}"));
        let mut file = match inside.create(&temporary) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                last = error;
                continue;
            }
            Err(error) => return Err(error),
        };
        let written = file
            .write_all(bytes)
            .and_then(|()| inside.rename(&temporary, name));
        if let Err(error) = written {
            // The first error is the one to tell.
            let _ = inside.remove(&temporary);
            return Err(error);
        }
        return Ok(());
    }
    Err(last)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use protocol::error::ErrorCode;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A user who has nothing.
    #[cfg(unix)]
    const NOBODY: u32 = 65_534;

    /// A folder that goes away with its test.
    pub(in crate::mcp) struct Scratch(PathBuf);

    impl Scratch {
        pub(in crate::mcp) fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("interlock-mcp-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(fs::canonicalize(path).unwrap())
        }

        pub(in crate::mcp) fn path(&self, inside: &str) -> PathBuf {
            self.0.join(inside)
        }

        pub(in crate::mcp) fn folder(&self, inside: &str) -> PathBuf {
            let path = self.path(inside);
            fs::create_dir_all(&path).unwrap();
            path
        }

        pub(in crate::mcp) fn roots(&self) -> Roots {
            let work = self.folder("work");
            let state = self.folder("state");
            Roots::new(&work, Some(&self.0), &[], &self.path("output"), &state)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn refused(result: Result<PathBuf, Fault>) -> String {
        let fault = result.expect_err("a refusal");
        assert_eq!(fault.code(), ErrorCode::BadArguments);
        fault.message()
    }

    #[test]
    fn a_relative_name_lands_in_the_working_folder_for_the_user_alone() {
        let scratch = Scratch::new();
        let path = scratch.roots().write("a.png", &["png"], b"x").unwrap();
        assert_eq!(path, scratch.path("work/a.png"));
        assert_eq!(fs::read(&path).unwrap(), b"x");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        scratch.roots().write("a.png", &["png"], b"y").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"y");
        assert_eq!(fs::read_dir(scratch.path("work")).unwrap().count(), 1);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let scratch = Scratch::new();
        let roots = scratch.roots();
        scratch.folder("elsewhere");
        let outside = scratch.path("elsewhere/a.png");
        for name in [
            "../a.png",
            "b/../../a.png",
            "/a.png",
            outside.to_str().unwrap(),
        ] {
            refused(roots.write(name, &["png"], b"x"));
        }
        refused(roots.write("a.sh", &["png"], b"x"));
        refused(roots.write(&("x".repeat(300) + ".png"), &["png"], b"x"));
        refused(roots.write("missing/a.png", &["png"], b"x"));
        assert!(!outside.exists());
    }

    #[test]
    #[cfg(unix)]
    fn a_symlink_is_no_way_out() {
        let scratch = Scratch::new();
        let roots = scratch.roots();
        let elsewhere = scratch.folder("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, scratch.path("work/link")).unwrap();
        refused(roots.write("link/a.png", &["png"], b"x"));
        let treasure = elsewhere.join("b.png");
        fs::write(&treasure, "kept").unwrap();
        std::os::unix::fs::symlink(&treasure, scratch.path("work/b.png")).unwrap();
        roots.write("b.png", &["png"], b"x").unwrap();
        assert_eq!(fs::read_to_string(&treasure).unwrap(), "kept");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_that_is_replaced_by_a_link_in_mid_call_is_no_way_out() {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let scratch = Scratch::new();
        let roots = scratch.roots();
        let elsewhere = scratch.folder("elsewhere");
        let (inside, link) = (scratch.folder("work/in"), scratch.path("link"));
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        let tried = std::thread::scope(|threads| {
            threads.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    renameat_with(CWD, &inside, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
            });
            let tries = (0..5_000).map(|_| roots.write("in/a.png", &["png"], b"x"));
            let tried: Vec<_> = tries.collect();
            over.store(true, Ordering::Relaxed);
            tried
        });
        assert!(tried.iter().any(Result::is_ok), "no try found the folder");
        for failed in tried.into_iter().filter(Result::is_err) {
            refused(failed);
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_was_changed_since_it_was_found_is_told_as_such() {
        let scratch = Scratch::new();
        let (elsewhere, link) = (scratch.folder("elsewhere/in"), scratch.path("link"));
        std::os::unix::fs::symlink(scratch.path("elsewhere"), &link).unwrap();
        fs::write(scratch.path("file"), "kept").unwrap();
        let changed = [
            link.clone(),
            link.join("in"),
            scratch.path("file"),
            scratch.path("gone"),
        ];
        for folder in changed {
            let told = refused(write_into(&folder, Path::new("a.png"), b"x"));
            let name = folder.display().to_string();
            assert!(told.contains(&name) && told.contains("replaced"), "{told}");
        }
        scratch.folder("elsewhere/a.png");
        let folder = scratch.path("elsewhere");
        refused(write_into(&folder, Path::new("a.png"), b"x"));
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing is left");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn to_write_somewhere_takes_no_right_to_list_what_is_there() {
        use std::os::unix::fs::{PermissionsExt, chown};
        let scratch = Scratch::new();
        let (inside, shut) = (scratch.folder("work/out/in"), scratch.folder("work/shut"));
        let roots = scratch.roots();
        let all = ["work/out/in", "work/out", "work/shut", "work", "."];
        for (folder, mode) in all.into_iter().zip([0o300, 0o100, 0o500, 0o100, 0o100]) {
            let folder = scratch.path(folder);
            fs::set_permissions(&folder, PermissionsExt::from_mode(mode)).unwrap();
            // Whoever may not do this is a common user already.
            let _ = chown(&folder, Some(NOBODY), None);
        }
        let (written, told) = as_common_user(|| {
            let written = roots.write("out/in/a.png", &["png"], b"x");
            (written, roots.write("shut/a.png", &["png"], b"x"))
        });
        let told = refused(told);
        let name = shut.display().to_string();
        assert!(told.contains(&name) && told.contains("may not"), "{told}");
        for folder in all.into_iter().rev() {
            fs::set_permissions(scratch.path(folder), PermissionsExt::from_mode(0o700)).unwrap();
        }
        assert_eq!(written.unwrap(), inside.join("a.png"));
        assert_eq!(fs::read_dir(&shut).unwrap().count(), 0);
    }

    /// Does it with the rights of a user who is not root.
    #[cfg(target_os = "linux")]
    fn as_common_user<T: Send>(act: impl FnOnce() -> T + Send) -> T {
        use rustix::process::{Uid, geteuid, getuid};
        std::thread::scope(|threads| {
            let acting = threads.spawn(|| {
                if geteuid().is_root() {
                    // Of this thread alone, which ends with it.
                    let nobody = Uid::from_raw(NOBODY);
                    rustix::thread::set_thread_res_uid(getuid(), nobody, getuid()).unwrap();
                }
                act()
            });
            acting.join().unwrap()
        })
    }

    #[test]
    fn nothing_is_written_beside_a_secret() {
        let scratch = Scratch::new();
        let inside = scratch.folder("work/extension/icons");
        fs::write(scratch.path("work/extension/pairing.json"), "{}").unwrap();
        refused(scratch.roots().write("extension/a.png", &["png"], b"x"));
        refused(
            scratch
                .roots()
                .write("extension/icons/a.png", &["png"], b"x"),
        );
        assert_eq!(fs::read_dir(inside).unwrap().count(), 0);
        let state = scratch.folder("state");
        let roots = Roots::new(
            &scratch.path("work"),
            None,
            std::slice::from_ref(&state),
            &scratch.path("output"),
            &state,
        );
        refused(roots.write(state.join("a.png").to_str().unwrap(), &["png"], b"x"));
    }

    #[test]
    fn home_and_the_root_folder_are_no_roots() {
        let scratch = Scratch::new();
        let (home, state) = (scratch.path(""), scratch.folder("state"));
        let output = scratch.path("output");
        for cwd in [home.as_path(), Path::new("/")] {
            let roots = Roots::new(cwd, Some(&home), &[], &output, &state);
            let path = roots.write("a.png", &["png"], b"x").unwrap();
            assert_eq!(path, output.join("a.png"));
        }
    }

    #[test]
    #[cfg(unix)]
    fn the_output_folder_is_private_and_no_link() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new();
        let (output, state) = (scratch.folder("output"), scratch.folder("state"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::set_permissions(&output, PermissionsExt::from_mode(0o777)).unwrap();
        let roots = Roots::new(Path::new("/"), None, &[], &output, &state);
        roots.write("a.png", &["png"], b"x").unwrap();
        assert_eq!(mode(&output), 0o700);
        fs::remove_dir_all(&output).unwrap();
        let elsewhere = scratch.folder("elsewhere");
        fs::set_permissions(&elsewhere, PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &output).unwrap();
        refused(roots.write("a.png", &["png"], b"x"));
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        assert_eq!(mode(&elsewhere), 0o755);
    }

    #[test]
    #[cfg(unix)]
    fn an_output_folder_of_another_user_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new();
        let (output, state) = (scratch.folder("output"), scratch.folder("state"));
        let roots = Roots::new(Path::new("/"), None, &[], &output, &state);
        fs::set_permissions(&output, PermissionsExt::from_mode(0o755)).unwrap();
        // Only root may play the other user.
        if std::os::unix::fs::chown(&output, Some(NOBODY), None).is_ok() {
            refused(roots.write("a.png", &["png"], b"x"));
            assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
            let mode = fs::metadata(&output).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o755, "what is another's is left as it was");
            std::os::unix::fs::chown(&output, Some(0), None).unwrap();
        }
        roots.write("a.png", &["png"], b"x").unwrap();
    }

    #[test]
    fn a_named_root_may_be_written_to_by_its_full_path() {
        let scratch = Scratch::new();
        let (work, named) = (scratch.folder("work"), scratch.folder("named"));
        let roots = Roots::new(
            &work,
            None,
            std::slice::from_ref(&named),
            &scratch.path("output"),
            &scratch.folder("state"),
        );
        let name = named.join("a.png");
        assert_eq!(
            roots.write(name.to_str().unwrap(), &["png"], b"x").unwrap(),
            name
        );
    }
}
