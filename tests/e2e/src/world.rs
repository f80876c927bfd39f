//! All that one test needs, set up by one call and looked over at its end.
//!
//! A world has a temporary folder with state, extension, profile and the clients' folders, a
//! private block of ports, a browser and a site. Nothing of it touches the user's own Interlock.
//! [`World::close`] ends everything and fails when something was left behind; a world dropped
//! without it (a failed test) shows the servers' logs instead.

use crate::agent::{Agent, Era, Spawn};
use crate::browser::{Browser, Start, Window};
use crate::person::Person;
use crate::ports::PortBlock;
use crate::screen::Screen;
use crate::site::Site;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Browsers at once in one process: each keeps a core busy while it starts.
const BROWSERS_AT_ONCE: usize = 2;
static BROWSERS: Semaphore = Semaphore::const_new(BROWSERS_AT_ONCE);
static WORLDS: AtomicU32 = AtomicU32::new(0);

/// Lets `more` browsers run at once: for worlds that stand idle side by side.
pub fn allow_more_browsers(more: usize) {
    BROWSERS.add_permits(more);
}

/// The server under test: `INTERLOCK_BIN`, else the release build, else the debug build.
pub fn binary() -> Result<PathBuf> {
    if let Some(named) = env::var_os("INTERLOCK_BIN") {
        let named = PathBuf::from(named);
        if named.is_file() {
            return Ok(fs::canonicalize(named)?);
        }
        bail!("INTERLOCK_BIN names {}, which is no file", named.display());
    }
    // …/target/PROFILE/deps/test-name or …/target/PROFILE/demo
    let me = env::current_exe()?;
    for folder in me.ancestors().skip(1) {
        for profile in ["release", "debug"] {
            let found = folder.join(profile).join("interlock");
            if found.is_file() {
                return Ok(found);
            }
        }
    }
    bail!("no interlock binary: run ./build.sh first, or set INTERLOCK_BIN")
}

/// What may be different about a world.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// An extension folder to load instead of the one that the binary writes.
    pub extension: Option<PathBuf>,
    /// Another extension to load beside the product's.
    pub beside: Option<PathBuf>,
    /// A name that leads to this machine, whatever the DNS says of it.
    pub rebound: Option<&'static str>,
    /// The key of a certificate that the browser trusts, see [`Start::trusted`].
    pub trusted: Option<String>,
    /// Whether `chrome://extensions` is in developer mode, as for whoever loads a folder there.
    pub developer: bool,
    /// Whether the extension lets in a server that proves nothing, on the last port of the range.
    pub unpaired: bool,
    /// Whether the browser goes on where it left off, as for whoever sets it so.
    pub restores: bool,
    /// Who sees the browser.
    pub shown: Shown,
}

/// Who sees the browser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shown {
    /// Nobody: it is headless.
    #[default]
    ToNobody,
    /// Whoever runs this, on their display.
    ToTheUser,
    /// A person at a screen of their own, which no user sees.
    ToAPerson,
}

/// State folder, extension, ports, browser, site and the agents started in it.
pub struct World {
    /// The local site.
    pub site: Site,
    /// The ports that servers of this world may use.
    pub ports: PortBlock,
    browser: Option<Browser>,
    agents: Mutex<Vec<Agent>>,
    groups: Mutex<Vec<i32>>,
    folder: Folder,
    binary: PathBuf,
    beside: Option<PathBuf>,
    rebound: Option<&'static str>,
    trusted: Option<String>,
    shown: Shown,
    screen: Option<Screen>,
    _permit: SemaphorePermit<'static>,
}

impl World {
    /// A world with the product's own extension.
    pub async fn start() -> Result<Self> {
        Self::with(Options::default()).await
    }

    /// A world that differs by `options`.
    pub async fn with(options: Options) -> Result<Self> {
        let permit = BROWSERS.acquire().await?;
        let binary = match &options.extension {
            Some(_) => PathBuf::new(),
            None => binary()?,
        };
        let folder = Folder::make()?;
        let mut world = Self {
            site: Site::start().await?,
            ports: PortBlock::claim()?,
            browser: None,
            agents: Mutex::default(),
            groups: Mutex::default(),
            folder,
            binary,
            beside: options.beside,
            rebound: options.rebound,
            trusted: options.trusted,
            shown: options.shown,
            screen: None,
            _permit: permit,
        };
        if options.extension.is_none() {
            world.write_extension(options.unpaired)?;
        }
        if world.shown == Shown::ToAPerson {
            let folder = world.folder.path.join("screen");
            world.screen = Some(Screen::start(&folder, &world.folder.mark).await?);
        }
        if options.developer || options.restores {
            world.write_preferences(options.developer, options.restores)?;
        }
        let extension = options.extension.unwrap_or_else(|| world.extension());
        world.start_browser(&extension).await?;
        Ok(world)
    }

    fn write_extension(&self, unpaired: bool) -> Result<()> {
        let allowed = if unpaired {
            self.ports.last().to_string()
        } else {
            "none".into()
        };
        let done = Command::new(&self.binary)
            .arg("extension")
            .arg(self.extension())
            .args(["--port-range", &self.ports.range()])
            .args(["--allow-unpaired", &allowed])
            .arg("--state-dir")
            .arg(self.state())
            .output()
            .context("running interlock extension")?;
        if done.status.success() {
            return Ok(());
        }
        bail!(
            "interlock extension failed: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// Before the profile's first start: afterwards they are the browser's own.
    fn write_preferences(&self, developer: bool, restores: bool) -> Result<()> {
        let folder = self.folder.path.join("profile/Default");
        fs::create_dir_all(&folder)?;
        // 1: where it left off, 5: with a new tab.
        let settings = serde_json::json!({
            "extensions": {"ui": {"developer_mode": developer}},
            "session": {"restore_on_startup": if restores { 1 } else { 5 }},
        });
        let text = settings.to_string();
        fs::write(folder.join("Preferences"), text).context("writing the preferences")
    }

    async fn start_browser(&mut self, extension: &Path) -> Result<()> {
        let profile = self.folder.path.join("profile");
        let browser = Browser::start(Start {
            extension,
            profile: &profile,
            mark: &self.folder.mark,
            beside: self.beside.as_deref(),
            rebound: self.rebound,
            trusted: self.trusted.as_deref(),
            window: match (self.shown, &self.screen) {
                (_, Some(screen)) => Window::Screen(screen.name()),
                (Shown::ToTheUser, None) => Window::Display,
                (Shown::ToNobody | Shown::ToAPerson, None) => Window::Headless,
            },
        })
        .await?;
        self.groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(browser.group());
        self.browser = Some(browser);
        Ok(())
    }

    /// Quits the browser, as from its menu, and starts it again with the same profile and extension.
    pub async fn reopen_browser(&mut self) -> Result<()> {
        if let Some(browser) = self.browser.take() {
            browser.quit().await?;
        }
        let extension = self.extension();
        self.start_browser(&extension).await
    }

    /// Kills the browser and starts it again with the same profile and extension.
    pub async fn restart_browser(&mut self) -> Result<()> {
        self.browser = None;
        let extension = self.extension();
        self.start_browser(&extension).await
    }

    /// Kills the browser and starts it again. What it had open is restored, which must show `urls`:
    /// Chrome restores by itself after a kill in the first seconds, before its profile says that it has
    /// not been quit.
    pub async fn restart_restoring_browser(&mut self, urls: &[String]) -> Result<()> {
        let profile = self.folder.path.join("profile/Default");
        let sessions = profile.join("Sessions");
        crate::until("the browser to write down what is open", async || {
            let mut written = Vec::new();
            for file in fs::read_dir(&sessions)? {
                written.extend(fs::read(file?.path())?);
            }
            let shows = |url: &String| written.windows(url.len()).any(|at| at == url.as_bytes());
            Ok(urls.iter().all(shows).then_some(()))
        })
        .await?;
        self.browser = None;
        let preferences = profile.join("Preferences");
        let text = fs::read_to_string(&preferences).context("reading the preferences")?;
        let quit = text.replace(r#""exit_type":"Crashed""#, r#""exit_type":"Normal""#);
        fs::write(&preferences, quit).context("writing the preferences")?;
        let extension = self.extension();
        self.start_browser(&extension).await
    }

    /// Kills the browser, for good.
    pub fn stop_browser(&mut self) {
        self.browser = None;
    }

    /// The browser.
    ///
    /// # Panics
    /// There is none between the two halves of a failed restart, nor after
    /// [`World::stop_browser`].
    #[must_use]
    pub fn browser(&self) -> &Browser {
        self.browser.as_ref().expect("a world has a browser")
    }

    /// The screen of a world that is shown to a person.
    ///
    /// # Panics
    /// A world that is shown to nobody, or to the user, has none.
    #[must_use]
    pub fn screen(&self) -> &Screen {
        self.screen.as_ref().expect("a world shown to a person")
    }

    /// The person in front of this world's screen, in a page of their own.
    pub async fn person(&self) -> Result<Person<'_>> {
        crate::within("the person to sit down", Person::sits_down(self)).await
    }

    /// The state folder of every server here.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path.join("state")
    }

    /// The folder that the extension was loaded from.
    #[must_use]
    pub fn extension(&self) -> PathBuf {
        self.folder.path.join("extension")
    }

    /// The temporary folder of it all.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// The server under test.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// What to start for a client called `name`: its own folder, this world's state and ports.
    #[must_use]
    pub fn spawn(&self, name: &str, era: Era) -> Spawn {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        Spawn {
            name: name.to_owned(),
            era,
            binary: self.binary.clone(),
            arguments: vec![
                "--state-dir".into(),
                text(self.state()),
                "--port-range".into(),
                self.ports.range(),
                "--label".into(),
                name.to_owned(),
            ],
            folder: self.folder.path.join("clients").join(name),
            mark: self.folder.mark.clone(),
        }
    }

    /// Starts a client that speaks the legacy revision.
    pub async fn agent(&self, name: &str) -> Result<Agent> {
        self.agent_of(self.spawn(name, Era::Legacy)).await
    }

    /// Starts a client as `spawn` says.
    pub async fn agent_of(&self, spawn: Spawn) -> Result<Agent> {
        let agent = Agent::start(spawn).await?;
        self.agents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(agent.clone());
        Ok(agent)
    }

    /// Ends servers, browser and site; an unclean exit or anything left behind is an error.
    pub async fn close(mut self) -> Result<()> {
        self.end().await?;
        let listening = crate::listening_ports(self.ports.all())?;
        if !listening.is_empty() {
            bail!("somebody still listens on {listening:?}");
        }
        self.folder.remove()
    }

    /// As [`World::close`], for a test that has a listener of its own in the block of ports.
    pub async fn close_beside_a_listener(mut self) -> Result<()> {
        self.end().await?;
        self.folder.remove()
    }

    async fn end(&mut self) -> Result<()> {
        let agents = self
            .agents
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for agent in &agents {
            agent.quit().await?;
        }
        self.browser = None;
        if let Some(screen) = self.screen.take() {
            screen.close()?;
        }
        let groups = self
            .groups
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let alive = crate::processes_of(groups, &self.folder.mark);
        if !alive.is_empty() {
            bail!("left behind: {alive:?}");
        }
        // From here on nobody needs their logs.
        self.agents
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for agent in self
            .agents
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
        {
            // Only a world that was not closed still has agents: its test has failed.
            eprintln!("{}", agent.log_tail());
        }
    }
}

/// A temporary folder that goes with its value, unless `KEEP=1`.
struct Folder {
    path: PathBuf,
    mark: String,
}

impl Folder {
    fn make() -> Result<Self> {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let mark = format!("interlock-e2e-{}-{number}.", std::process::id());
        let path = env::temp_dir().join(&mark);
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path, mark })
    }

    fn remove(&self) -> Result<()> {
        if env::var_os("KEEP").is_some_and(|value| value == "1") {
            eprintln!("kept: {}", self.path.display());
            return Ok(());
        }
        match fs::remove_dir_all(&self.path) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                Err(why).with_context(|| format!("removing {}", self.path.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.path.exists()
            && let Err(why) = self.remove()
        {
            eprintln!("{why:#}");
        }
    }
}
