//! A screen of one's own: an X server without hardware, a window manager, and the hands of a
//! person on mouse and keyboard.
//!
//! The X server picks a free display by itself, and writes what it shows into a file, which is
//! read as it is: no program that could disturb the windows takes part in looking at them.

mod picture;

pub use picture::{Color, Picture};

use crate::group::{Group, Signal};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Room for a browser's window of 1280 × 860 and a second one beside and below it.
const SIZE: &str = "1600x1100x24";

/// A window gets the keyboard when it is clicked, or asks for it; not by being new.
const MANAGER_SETTINGS: &str = "session.focusModel: ClickToFocus\n\
    session.focusNewWindows: False\n\
    session.screen0.focusNewWindows: False\n";

/// A running X server with its window manager; dropping it ends both.
pub struct Screen {
    name: String,
    folder: PathBuf,
    // Dropped in this order: the end of its X server would be an error to the window manager.
    _manager: Group,
    _server: Group,
}

impl Screen {
    /// Starts both. `folder` is made; `mark` goes into their environment.
    pub async fn start(folder: &Path, mark: &str) -> Result<Self> {
        fs::create_dir_all(folder).context("making the screen's folder")?;
        let log = |name: &str| fs::File::create(folder.join(name));
        let mut server = Command::new("Xvfb");
        server
            .args(["-displayfd", "1", "-screen", "0", SIZE])
            .args(["-nolisten", "tcp", "-noreset", "-fbdir"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log("xvfb.log")?);
        // SIGTERM: it removes its socket and its lock.
        let mut server = Group::start(server, Signal::TERM, format!("{mark}xvfb."))
            .context("starting Xvfb: install it (apt-get install xvfb)")?;
        let mut number = String::new();
        let said = server.leader().stdout.take().context("stdout")?;
        BufReader::new(said).read_line(&mut number)?;
        if number.trim().is_empty() {
            let why = fs::read_to_string(folder.join("xvfb.log")).unwrap_or_default();
            bail!("Xvfb ended at once: {why}");
        }
        let name = format!(":{}", number.trim());
        let settings = folder.join("blackboxrc");
        fs::write(&settings, MANAGER_SETTINGS)?;
        let mut manager = Command::new("blackbox");
        manager
            .arg("-rc")
            .arg(&settings)
            .args(["-display", &name])
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log("blackbox.log")?);
        let manager = Group::start(manager, Signal::TERM, format!("{mark}blackbox."))
            .context("starting blackbox: install it (apt-get install blackbox)")?;
        let screen = Self {
            name,
            folder: folder.to_owned(),
            _manager: manager,
            _server: server,
        };
        crate::until("the window manager", async || {
            Ok(screen.hand(&["get_num_desktops"]).is_ok().then_some(()))
        })
        .await?;
        Ok(screen)
    }

    /// The display, as `:7`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it shows now.
    pub fn picture(&self) -> Result<Picture> {
        let shown = fs::read(self.folder.join("Xvfb_screen0")).context("reading the screen")?;
        Picture::of_xwd(&shown)
    }

    /// Runs `xdotool` and gives what it prints, for what has no short form here.
    pub fn hand(&self, arguments: &[&str]) -> Result<String> {
        let done = Command::new("xdotool")
            .args(arguments)
            .env("DISPLAY", &self.name)
            .stdin(Stdio::null())
            .output()
            .context("running xdotool: install it (apt-get install xdotool)")?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned());
        }
        bail!(
            "xdotool {arguments:?} failed: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// Moves the mouse there and clicks.
    pub fn click(&self, (x, y): (u32, u32)) -> Result<()> {
        let (x, y) = (x.to_string(), y.to_string());
        self.hand(&["mousemove", "--sync", &x, &y, "click", "1"])
            .map(drop)
    }

    /// Presses the mouse at the first place and draws it to the second, at a hand's pace. It stays
    /// pressed until [`Screen::let_go`].
    pub fn drag(&self, from: (u32, u32), to: (u32, u32)) -> Result<()> {
        const STEPS: u32 = 5;
        let part = |step: u32, from: u32, to: u32| {
            let place = (from * (STEPS - step) + to * step) / STEPS;
            place.to_string()
        };
        for step in 0..=STEPS {
            let (x, y) = (part(step, from.0, to.0), part(step, from.1, to.1));
            self.hand(&["mousemove", "--sync", &x, &y, "sleep", "0.05"])?;
            if step == 0 {
                self.hand(&["mousedown", "1"])?;
            }
        }
        Ok(())
    }

    /// Ends a drag where the mouse is.
    pub fn let_go(&self) -> Result<()> {
        self.hand(&["mouseup", "1"]).map(drop)
    }

    /// Presses keys one after another, as `ctrl+t`.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        self.hand(&[&["key", "--delay", "20"], keys].concat())
            .map(drop)
    }

    /// The X window that the person works in.
    pub fn active_window(&self) -> Result<String> {
        self.hand(&["getactivewindow"])
    }

    /// Ends both; a lock or socket left behind is an error.
    pub fn close(self) -> Result<()> {
        let number = self.name.trim_start_matches(':');
        let own = [
            format!("/tmp/.X{number}-lock"),
            format!("/tmp/.X11-unix/X{number}"),
        ];
        let own = own.map(|path| (made(&path), path));
        drop(self);
        for (before, left) in own {
            // Another run may have taken the number the moment it was free.
            if before.is_some() && made(&left) == before {
                bail!("the X server left {left} behind");
            }
        }
        Ok(())
    }
}

/// Tells a file from a later one of the same name.
fn made(path: &str) -> Option<(u64, i64, i64)> {
    let facts = fs::metadata(path).ok()?;
    Some((facts.ino(), facts.ctime(), facts.ctime_nsec()))
}
