//! The two sides: how each comes into a person's browser, with its best settings.

use anyhow::{Context, Result};
use e2e::{Agent, Era, Options, Shown, Spawn, World};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Who plays.
pub(crate) enum Side {
    /// The binary and the extension of this repository.
    Interlock,
    /// `@playwright/mcp --extension`.
    Playwright(Playwright, Admission),
}

/// How Playwright's clients are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// By the token that the person copied once: nobody is asked again.
    Token,
    /// By the person, each time, who picks the agent's own tab in the connect page.
    Person,
}

/// Where Playwright's two halves are, and their versions.
#[derive(Clone)]
pub(crate) struct Playwright {
    script: PathBuf,
    extension: PathBuf,
    server_version: String,
    extension_version: String,
}

impl Playwright {
    /// `server`: where npm has installed `@playwright/mcp`. `extension`: what Chromium loads.
    pub(crate) fn at(server: &Path, extension: &Path) -> Result<Self> {
        let package = server.join("node_modules/@playwright/mcp");
        Ok(Self {
            script: fs::canonicalize(package.join("cli.js"))
                .with_context(|| format!("no @playwright/mcp in {}", server.display()))?,
            extension: fs::canonicalize(extension)
                .with_context(|| format!("no folder {}", extension.display()))?,
            server_version: version_in(&package.join("package.json"))?,
            extension_version: version_in(&extension.join("manifest.json"))?,
        })
    }
}

fn version_in(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let facts: Value = serde_json::from_str(&text)?;
    let version = facts["version"].as_str();
    Ok(version.context("it names no version")?.to_owned())
}

impl Side {
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Interlock => format!("Interlock {}", env!("CARGO_PKG_VERSION")),
            Self::Playwright(playwright, admission) => format!(
                "@playwright/mcp {} --extension, Playwright Extension {}, {}",
                playwright.server_version,
                playwright.extension_version,
                match admission {
                    Admission::Token => "with its token",
                    Admission::Person => "without a token",
                }
            ),
        }
    }

    /// Whether the person is asked for each connection.
    pub(crate) fn asks(&self) -> bool {
        match self {
            Self::Interlock | Self::Playwright(_, Admission::Token) => false,
            Self::Playwright(_, Admission::Person) => true,
        }
    }

    /// A browser with this side's extension, on a screen of its own.
    pub(crate) async fn world(&self) -> Result<World> {
        let extension = match self {
            Self::Interlock => None,
            Self::Playwright(playwright, _) => Some(playwright.extension.clone()),
        };
        World::with(Options {
            extension,
            shown: Shown::ToAPerson,
            ..Options::default()
        })
        .await
    }

    /// A client for each name.
    pub(crate) async fn agents(&self, world: &World, names: &[&str]) -> Result<Vec<Agent>> {
        let token = match self {
            Self::Interlock | Self::Playwright(_, Admission::Person) => None,
            Self::Playwright(_, Admission::Token) => Some(token(world).await?),
        };
        let mut agents = Vec::new();
        for name in names {
            let spawn = match self {
                Self::Interlock => world.spawn(name, Era::Legacy),
                Self::Playwright(playwright, _) => {
                    playwright.spawn(world, name, token.as_deref())?
                }
            };
            agents.push(world.agent_of(spawn).await?);
        }
        Ok(agents)
    }
}

/// What the person copies once from the extension's page: with it no connection asks them.
async fn token(world: &World) -> Result<String> {
    let page = world.browser().extension_page("status.html").await?;
    let token = e2e::until("the extension's token", async || {
        let token = page.evaluate("localStorage.getItem('auth-token')").await?;
        Ok(token.as_str().map(str::to_owned))
    })
    .await?;
    page.close().await?;
    Ok(token)
}

impl Playwright {
    fn spawn(&self, world: &World, name: &str, token: Option<&str>) -> Result<Spawn> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        // By way of env: it opens its connect page by starting the browser once more, which needs
        // the browser's own screen to hand the page over.
        let mut arguments = vec![format!("DISPLAY={}", world.screen().name())];
        arguments.extend(token.map(|token| format!("PLAYWRIGHT_MCP_EXTENSION_TOKEN={token}")));
        arguments.extend([
            "node".into(),
            text(&self.script),
            "--extension".into(),
            // The only name with which it takes a browser that root may start.
            "--browser=chromium".into(),
            format!("--executable-path={}", text(&e2e::chromium()?)),
            format!("--user-data-dir={}", text(world.browser().profile())),
            "--timeout-settle=0".into(),
        ]);
        Ok(Spawn {
            binary: "env".into(),
            arguments,
            ..world.spawn(name, Era::Legacy)
        })
    }
}
