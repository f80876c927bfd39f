//! The scene itself. It knows the names of tools that both sides have, and not which side plays.

use crate::door;
use crate::side::Side;
use crate::tally::{Click, Read, Seen, Tally};
use anyhow::{Context, Result};
use e2e::{Agent, Answer, Person, World};
use serde_json::json;
use std::time::{Duration, Instant};

pub(crate) const NAMES: [&str; 2] = ["agent1", "agent2"];
/// Snapshots that an agent asks for while they are refused.
const TRIES: usize = 3;
/// What a click has done is with the site after this.
const ARRIVES: Duration = Duration::from_secs(2);
/// The page of the person, in front before every death.
const PERSONS: &str = "/observer";
/// Letters of an answer that are shown.
const LINE_SHOWN: usize = 140;

/// Plays it, with as many deaths as `times`.
pub(crate) async fn play(side: &Side, times: usize) -> Result<Tally> {
    let world = side.world().await?;
    let person = world.person().await?;
    let agents = side.agents(&world, &NAMES).await?;
    let mut players = Vec::new();
    for (agent, name) in agents.into_iter().zip(NAMES) {
        let player = Player::begin(&world, side.asks(), agent, name).await;
        players.push(player.with_context(|| format!("{name} before the first death"))?);
    }
    let mut tally = Tally::new(side.title(), version_of(&world).await?);
    tally.tabs_before = tabs(&world).await?;
    for number in 1..=times {
        for player in &mut players {
            player.works().await?;
        }
        bring_in_front(&world, &person).await?;
        world.browser().kill_worker().await?;
        for player in &mut players {
            let seen = player.after_the_death(&person).await;
            let seen = seen.with_context(|| format!("{}, death {number}", player.name))?;
            tally.add(player.name, seen);
            bring_in_front(&world, &person).await?;
        }
    }
    tally.tabs_after = tabs(&world).await?;
    drop(players);
    drop(person);
    world.close().await?;
    Ok(tally)
}

struct Player<'a> {
    world: &'a World,
    agent: Agent,
    /// Whether somebody must let it in whenever it connects.
    asks: bool,
    /// How often somebody has.
    let_in: usize,
    name: &'static str,
    /// Its page, as it opened it last.
    url: String,
    visits: usize,
    /// The button, as the last snapshot of its own page named it.
    button: String,
    /// The count that its page showed last.
    shown: u64,
}

impl<'a> Player<'a> {
    async fn begin(world: &'a World, asks: bool, agent: Agent, name: &'static str) -> Result<Self> {
        let mut player = Self {
            world,
            agent,
            asks,
            let_in: 0,
            name,
            url: String::new(),
            visits: 0,
            button: String::new(),
            shown: 0,
        };
        player.opens().await?;
        Ok(player)
    }

    /// Calls a tool; whoever sits there lets it in meanwhile, if it must be.
    async fn call(&mut self, tool: &str, arguments: serde_json::Value) -> Result<Answer> {
        let answer = self.agent.call(tool, arguments);
        if !self.asks {
            return answer.await;
        }
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => return answer,
            let_in = door::let_in(self.world, self.name, &self.url) => let_in?,
        }
        self.let_in += 1;
        answer.await
    }

    /// As [`Player::call`]; a refusal is an error.
    async fn ok(&mut self, tool: &str, arguments: serde_json::Value) -> Result<Answer> {
        let answer = self.call(tool, arguments).await?;
        anyhow::ensure!(answer.is_ok(), "{}: {tool} failed: {answer}", self.name);
        Ok(answer)
    }

    /// Navigates to its page, and reads it. Each visit has an address of its own: tabs that it left
    /// behind may show earlier ones.
    async fn opens(&mut self) -> Result<()> {
        self.visits += 1;
        let path = format!("/counter?name={}&visit={}", self.name, self.visits);
        let url = self.world.site.url(&path);
        self.ok("browser_navigate", json!({"url": url})).await?;
        self.url = url;
        let answer = self.ok("browser_snapshot", json!({})).await?;
        self.button = button_of(&answer, self.name).context("not its own page")?;
        Ok(())
    }

    /// A click while nothing dies, with its tab in front: Playwright waits for frames before it
    /// clicks, and Chromium draws none of a tab behind.
    async fn works(&mut self) -> Result<()> {
        activate(self.world, &self.url).await?;
        let before = self.world.site.hits(self.name);
        let answer = self.ok("browser_snapshot", json!({})).await?;
        self.button =
            button_of(&answer, self.name).with_context(|| format!("not its own page: {answer}"))?;
        self.ok("browser_click", self.aim()).await?;
        self.world.site.until_hits(self.name, before + 1).await?;
        self.shown = self.count().await?;
        Ok(())
    }

    /// The count that its page shows: that of a page opened anew begins at 0.
    async fn count(&mut self) -> Result<u64> {
        let count = "document.querySelector('output').textContent";
        let function = format!("() => '[' + '[' + ({count}) + ']' + ']'");
        let answer = self
            .agent
            .ok("browser_evaluate", json!({"function": function}));
        Ok(e2e::value_in(&answer.await?)?.parse()?)
    }

    async fn after_the_death(&mut self, person: &Person<'_>) -> Result<Seen> {
        let (begun, let_in) = (Instant::now(), self.let_in);
        let mut reads = vec![self.reads().await];
        // Only a refusal is asked again: whoever reads another page would act on it.
        while matches!(reads.last(), Some(Read::Error(_))) && reads.len() < TRIES {
            reads.push(self.reads().await);
        }
        let at_home = matches!(reads.last(), Some(Read::OwnPage));
        let mut back = begun.elapsed();
        let click = self.clicks().await?;
        if !at_home {
            // Without the wait for what the click has done.
            let begun = Instant::now();
            self.opens().await?;
            back += begun.elapsed();
        }
        let page_kept = self.count().await? >= self.shown;
        Ok(Seen {
            reads,
            back,
            click,
            let_in: self.let_in - let_in,
            page_kept,
            in_front: in_front(person).await?,
        })
    }

    async fn reads(&mut self) -> Read {
        let answer = match self.call("browser_snapshot", json!({})).await {
            Ok(answer) if answer.is_ok() => answer,
            Ok(answer) => return Read::Error(self.first_line(&answer)),
            Err(_) => return Read::Silence,
        };
        if let Some(button) = button_of(&answer, self.name) {
            self.button = button;
            return Read::OwnPage;
        }
        if NAMES.iter().any(|name| button_of(&answer, name).is_some()) {
            return Read::OtherAgents;
        }
        Read::Elsewhere(self.first_line(&answer))
    }

    /// Clicks on what the last snapshot of its own page called the button.
    async fn clicks(&mut self) -> Result<Click> {
        let (own, site) = (self.name, self.world.site.clone());
        let hits = || NAMES.map(|name| (name == own, site.hits(name)));
        let before = hits();
        let answer = self.call("browser_click", self.aim()).await;
        tokio::time::sleep(ARRIVES).await;
        let more = |own: bool| {
            let of = |all: [(bool, usize); 2]| -> usize {
                let fits = all.iter().filter(|(mine, _)| *mine == own);
                fits.map(|(_, hits)| hits).sum()
            };
            of(hits()) - of(before)
        };
        Ok(match (more(true), more(false), answer) {
            (_, 1.., _) => Click::OnAnothersPage,
            (2.., 0, _) => Click::Doubled,
            (1, 0, Ok(answer)) if answer.is_ok() => Click::Landed,
            (1, 0, _) => Click::DoneButRefused,
            (0, 0, Ok(answer)) if answer.is_ok() => Click::Lost,
            (0, 0, Ok(answer)) => Click::Refused(self.first_line(&answer)),
            (0, 0, Err(_)) => Click::Silence,
        })
    }

    fn aim(&self) -> serde_json::Value {
        json!({"target": self.button, "element": "Count"})
    }

    /// The first line of an answer that says more than a heading, without what differs from run to
    /// run.
    fn first_line(&self, answer: &Answer) -> String {
        let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let line = answer.text.lines().find(said).unwrap_or("(nothing)");
        let line = line.replace(&self.world.site.url(""), "site:");
        // The query of a connect page is long, and holds the token.
        let line = line.split('?').next().unwrap_or_default();
        line.chars().take(LINE_SHOWN).collect()
    }
}

fn button_of(answer: &Answer, name: &str) -> Option<String> {
    answer.reference(&["button", &format!("Count {name}")])
}

/// Brings the person's tab to the front, as by a click on it.
async fn bring_in_front(world: &World, person: &Person<'_>) -> Result<()> {
    activate(world, &world.site.url(PERSONS)).await?;
    e2e::until("the person's tab to be in front", async || {
        Ok(in_front(person).await?.then_some(()))
    })
    .await
}

/// Brings the tab that shows `url` to the front.
async fn activate(world: &World, url: &str) -> Result<()> {
    let cdp = world.browser().cdp();
    let targets = cdp.targets().await?;
    let mut pages = targets.iter().filter(|one| one["type"] == "page");
    let page = pages.find(|page| page["url"] == url);
    let page = page.with_context(|| format!("no tab at {url}"))?;
    let params = json!({"targetId": page["targetId"]});
    cdp.call(None, "Target.activateTarget", params).await?;
    Ok(())
}

async fn in_front(person: &Person<'_>) -> Result<bool> {
    Ok(person.reads("document.visibilityState").await? == "visible")
}

async fn version_of(world: &World) -> Result<String> {
    let cdp = world.browser().cdp();
    let version = cdp.call(None, "Browser.getVersion", json!({})).await?;
    Ok(version["product"].as_str().unwrap_or("unknown").to_owned())
}

/// Tabs in the browser.
async fn tabs(world: &World) -> Result<usize> {
    let targets = world.browser().cdp().targets().await?;
    Ok(targets.iter().filter(|one| one["type"] == "page").count())
}
