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
        write_privately(&folder, &file, bytes).map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidFilename {
                let what = "`filename` is too long, or holds what this system takes in no name";
                return Fault::BadArguments { what: what.into() };
            }
            let path = folder.join(&file);
            let what = format!("{} could not be written: {error}", path.display());
            Fault::Internal { what }
        })
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

/// Under a fresh name first, so that no reader sees half a file and no link is followed.
fn write_privately(folder: &Path, name: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
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
        return Ok(folder.join(name));
    }
    Err(last)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use protocol::error::ErrorCode;
    use std::sync::atomic::{AtomicU32, Ordering};

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
        let written = std::thread::scope(|threads| {
            threads.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    renameat_with(CWD, &inside, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                }
            });
            let tries = (0..5_000).map(|_| roots.write("in/a.png", &["png"], b"x"));
            let written = tries.filter(Result::is_ok).count();
            over.store(true, Ordering::Relaxed);
            written
        });
        assert!(written > 0, "no try found the folder");
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
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
        const NOBODY: u32 = 65_534;
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
