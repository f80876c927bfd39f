//! A folder held open: what is done in it is done in that very folder, whatever stands at its path
//! by then. Where the system has no such thing (Windows), its path has to do.

pub(super) use system::Folder;

#[cfg(unix)]
mod system {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, renameat, unlinkat};
    use rustix::io::Errno;
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::path::Path;

    /// To go through a folder takes no right to list it (POSIX calls it `O_SEARCH`).
    #[cfg(target_os = "linux")]
    const THROUGH: OFlags = OFlags::PATH;
    #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd"))]
    const THROUGH: OFlags = OFlags::from_bits_retain(libc::O_SEARCH.cast_unsigned());
    /// Others have no such flag.
    #[cfg(not(any(
        target_os = "linux",
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd"
    )))]
    const THROUGH: OFlags = OFlags::RDONLY;

    /// One part of the way, which is no link.
    fn enter(from: impl AsFd, part: &OsStr) -> io::Result<OwnedFd> {
        let flags = THROUGH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(from, part, flags, Mode::empty()).map_err(|error| match error {
            // A link, in the words of POSIX and of FreeBSD.
            Errno::LOOP | Errno::MLINK => io::ErrorKind::NotADirectory.into(),
            other => other.into(),
        })
    }

    /// See the module's own words.
    #[derive(Debug)]
    pub(in crate::mcp) struct Folder(OwnedFd);

    impl Folder {
        /// Opens the folder at `path`, which is a real one (`fs::canonicalize`).
        ///
        /// # Errors
        /// `NotADirectory` when any part of the path has become a link or a file since, `NotFound`
        /// when it is gone.
        pub(in crate::mcp) fn open(path: &Path) -> io::Result<Self> {
            let mut parts = path.components();
            let root = parts.next().ok_or(io::ErrorKind::NotFound)?;
            let mut folder = enter(CWD, root.as_os_str())?;
            for part in parts {
                folder = enter(&folder, part.as_os_str())?;
            }
            Ok(Self(folder))
        }

        /// A new file that only the user can read.
        pub(in crate::mcp) fn create(&self, name: &Path) -> io::Result<File> {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?;
            Ok(file.into())
        }

        /// Replaces what has the name `to`, a link too.
        pub(in crate::mcp) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            Ok(renameat(&self.0, from, &self.0, to)?)
        }

        pub(in crate::mcp) fn remove(&self, name: &Path) -> io::Result<()> {
            Ok(unlinkat(&self.0, name, AtFlags::empty())?)
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::{self, File};
    use std::io;
    use std::path::{Path, PathBuf};

    /// See the module's own words.
    #[derive(Debug)]
    pub(in crate::mcp) struct Folder(PathBuf);

    impl Folder {
        /// Takes the folder at `path`.
        pub(in crate::mcp) fn open(path: &Path) -> io::Result<Self> {
            Ok(Self(path.to_owned()))
        }

        /// A new file.
        pub(in crate::mcp) fn create(&self, name: &Path) -> io::Result<File> {
            File::create_new(self.0.join(name))
        }

        /// Replaces what has the name `to`.
        pub(in crate::mcp) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            fs::rename(self.0.join(from), self.0.join(to))
        }

        pub(in crate::mcp) fn remove(&self, name: &Path) -> io::Result<()> {
            fs::remove_file(self.0.join(name))
        }
    }
}
