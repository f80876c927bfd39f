//! The network breaks once in a session, after so many bytes: in the handshake, between two frames,
//! within one. The agent's calls are answered all the same, on its own tab, and what it clicks is
//! clicked once, or the agent was told that nobody knows.
//!
//! Where it breaks is chosen over the length of a session that did not break. `CUTS=N ./build.sh test
//! e2e cut_anywhere` breaks it after every Nth byte of that length, with 1 after every single one.

use anyhow::{Context, Result, bail, ensure};
use e2e::{Agent, Answer, Era, World};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Sessions at once: each that broke waits for the extension's next probe, as long as that takes.
const AT_ONCE: usize = 5;
/// Cuts scattered evenly over what goes to one side.
const EVENLY: u64 = 10;
/// A cut costs one tab at most.
const TABS_MAX: usize = 2;
/// Frames of a session of which one has its last byte cut off, another none, another all but one.
const FRAMES: usize = 3;

#[derive(Debug, Clone, Copy)]
enum Side {
    /// To the extension.
    Written,
    /// From it.
    Read,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Read => "read",
        }
    }
}

/// What the extension is told: that the connection is over, or that nobody is there (RST).
const HOW: [&str; 2] = ["end", "reset"];

/// Where the connection of one session breaks, and how.
type Cut = Option<(Side, u64, &'static str)>;

/// An agent at work on a page that counts its clicks.
struct Session<'a> {
    world: &'a World,
    agent: Agent,
    /// Its own name and its page's, of the same length for each.
    name: String,
    trace: PathBuf,
    /// Tabs that were asked for: another one when nobody knew whether there was one.
    tabs: usize,
    /// The one it has.
    tab: i64,
    /// Clicks that were answered as done.
    sure: usize,
    /// Clicks whose outcome nobody knew.
    maybe: usize,
}

impl<'a> Session<'a> {
    async fn begin(world: &'a World, cut: Cut) -> Result<Self> {
        let (name, words) = match cut {
            Some((side, after, how)) => {
                let side = side.name();
                let name = format!("{side:_<7}-{how:_<5}-{after:06}");
                (name, [format!("{side}:{after}"), how.into()])
            }
            None => {
                let name = "uncut__-_____-000000".into();
                (name, ["never".into(), "end".into()])
            }
        };
        let trace = world.folder().join(format!("{name}.trace"));
        let mut spawn = world.spawn(&name, Era::Legacy);
        spawn.binary = env!("CARGO_BIN_EXE_interlock-cut").into();
        let path = trace.to_string_lossy().into_owned();
        spawn
            .arguments
            .splice(0..0, words.into_iter().chain([path]));
        let mut this = Self {
            world,
            agent: world.agent_of(spawn).await?,
            name,
            trace,
            tabs: 0,
            tab: 0,
            sure: 0,
            maybe: 0,
        };
        this.open().await?;
        Ok(this)
    }

    /// A call that was answered, but for those that never began because no browser was there.
    async fn call(&self, tool: &str, arguments: Value) -> Result<Answer> {
        let what = format!("{} to be connected for {tool}", self.name);
        e2e::until(what, async || {
            let answer = self.agent.call(tool, arguments.clone()).await?;
            Ok((!answer.failed_with("not_connected")).then_some(answer))
        })
        .await
    }

    async fn open(&mut self) -> Result<()> {
        loop {
            self.tabs += 1;
            let arguments = json!({"action": "new", "url": self.page()});
            let opened = self.call("browser_tabs", arguments).await?;
            match (opened.code(), opened.tab()) {
                (None, Some(tab)) => {
                    self.tab = tab;
                    return Ok(());
                }
                // So it is where the way back takes longer than calls wait.
                (Some("outcome_unknown"), _) if self.tabs < TABS_MAX => {}
                (Some(_) | None, _) => bail!("{}: {opened}", self.name),
            }
        }
    }

    fn page(&self) -> String {
        let Self { name, tabs, .. } = self;
        let path = format!("/counter?name={name}&tab={tabs}");
        self.world.site.url(&path)
    }

    /// Its page, on its tab, which it does not name.
    async fn look(&self) -> Result<Answer> {
        let seen = self.call("browser_snapshot", json!({})).await?;
        let shows = seen.text.contains(&format!("Counter {}", self.name));
        ensure!(
            seen.is_ok() && seen.tab() == Some(self.tab) && shows,
            "{} looked at tab {} and saw: {seen}",
            self.name,
            self.tab
        );
        Ok(seen)
    }

    async fn click(&mut self) -> Result<()> {
        let seen = self.look().await?;
        let target = seen.reference(&["button", "Count"]);
        let target = target.with_context(|| format!("no button in: {seen}"))?;
        let arguments = json!({"target": target, "element": "Count"});
        let clicked = self.call("browser_click", arguments).await?;
        match clicked.code() {
            None => self.sure += 1,
            Some("outcome_unknown") => self.maybe += 1,
            Some(_) => bail!("{}: {clicked}", self.name),
        }
        Ok(())
    }

    /// What passed on one side after each write or read, the connection's upgrade first.
    fn passed(&self, side: Side) -> Result<Vec<u64>> {
        let trace = fs::read_to_string(&self.trace)?;
        let counts = trace.lines().filter_map(|line| {
            let (word, count) = line.split_once(' ')?;
            (word == side.name()).then(|| count.parse().ok())?
        });
        Ok(counts.collect())
    }

    fn is_cut(&self, side: Side, after: u64) -> Result<bool> {
        let line = format!("cut {} {after}", side.name());
        let trace = fs::read_to_string(&self.trace)?;
        Ok(trace.lines().any(|told| told == line))
    }

    /// Compares the agent's word with the page's and the site's.
    async fn settle(&self) -> Result<()> {
        let page = self.world.browser().page(&self.page()).await?;
        let counted = page
            .evaluate("Number(document.querySelector('output').textContent)")
            .await?;
        let counted = counted.as_u64().context("no count")? as usize;
        page.detach().await?;
        let (sure, most) = (self.sure, self.sure + self.maybe);
        ensure!(
            (sure..=most).contains(&counted),
            "{}: {sure} to {most} clicks were answered, {counted} were made",
            self.name
        );
        self.world.site.until_hits(&self.name, counted).await?;
        let made = self.world.site.requests_of("/counter");
        let made = made.iter().filter(|one| one.get("name") == self.name);
        let made = made.count();
        ensure!(made <= self.tabs, "{}: {made} tabs were made", self.name);
        Ok(())
    }

    async fn end(self) -> Result<()> {
        self.settle().await?;
        let closed = self
            .call("browser_tabs", json!({"action": "close"}))
            .await?;
        ensure!(closed.is_ok(), "{}: {closed}", self.name);
        self.agent.quit().await
    }
}

/// A session that breaks there, and is over when it has been served afterwards; how many of its
/// clicks nobody knew of.
async fn broken(world: &World, side: Side, after: u64, how: &'static str) -> Result<usize> {
    let mut session = Session::begin(world, Some((side, after, how))).await?;
    session.click().await?;
    session.click().await?;
    // A later cut than this session got to: it goes on until there.
    e2e::until(format!("{} to be cut", session.name), async || {
        session.look().await?;
        Ok(session.is_cut(side, after)?.then_some(()))
    })
    .await?;
    session.click().await?;
    session.look().await?;
    let maybe = session.maybe;
    session.end().await?;
    Ok(maybe)
}

/// Where to break a session of which so much had passed after each frame.
fn places(passed: &[u64]) -> Result<BTreeSet<u64>> {
    let length = *passed.last().context("nothing passed")?;
    if let Ok(step) = std::env::var("CUTS") {
        let step = step.parse().context("CUTS is a number of bytes")?;
        return Ok((1..=length).step_by(step).collect());
    }
    let evenly = (1..=EVENLY).map(|part| length * part / EVENLY);
    let ends = (1..=FRAMES).filter_map(|part| passed.get(passed.len() * part / (FRAMES + 1)));
    let odd = ends.zip([-1, 0, 1]);
    let odd = odd.filter_map(|(end, more)| end.checked_add_signed(more));
    Ok(evenly.chain(odd).filter(|after| *after > 0).collect())
}

#[test]
fn nothing_that_breaks_connections_is_in_the_product() -> Result<()> {
    let says_how = |binary: PathBuf| -> Result<bool> {
        let words = b"usage: interlock-cut ";
        let content = fs::read(binary)?;
        Ok(content.windows(words.len()).any(|some| some == words))
    };
    assert!(says_how(env!("CARGO_BIN_EXE_interlock-cut").into())?);
    assert!(!says_how(e2e::binary()?)?);
    Ok(())
}

#[tokio::test]
async fn a_connection_cut_anywhere_costs_no_answer_and_doubles_no_click() -> Result<()> {
    let world = World::start().await?;
    let mut whole = Session::begin(&world, None).await?;
    whole.click().await?;
    whole.click().await?;
    let mut cuts = Vec::new();
    for side in [Side::Written, Side::Read] {
        let places = places(&whole.passed(side)?)?;
        let both = |after| HOW.map(|how| (side, after, how));
        cuts.extend(places.into_iter().flat_map(both));
    }
    assert_eq!(whole.maybe, 0);
    whole.end().await?;
    let cuts_made = cuts.len();
    let played = stream::iter(cuts).map(|(side, after, how)| broken(&world, side, after, how));
    let unknown: Vec<usize> = played.buffer_unordered(AT_ONCE).try_collect().await?;
    assert_eq!(unknown.len(), cuts_made);
    eprintln!(
        "{cuts_made} cuts, {} clicks of unknown outcome",
        unknown.iter().sum::<usize>()
    );
    world.close().await
}
