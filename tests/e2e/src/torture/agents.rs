//! Agents that work without a pause, and write down what they are told.

use super::Toll;
use crate::{Agent, Answer, End, Era, Site, Spawn, World};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const NAMES: [&str; super::AGENTS] = ["amber", "birch", "cedar", "dune"];
/// A click that was answered is counted by the site within this, or was lost.
const ARRIVES: Duration = Duration::from_secs(10);
/// What the page has reported is with the site after this.
const LATE: Duration = Duration::from_millis(300);

/// What one agent was told.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Calls that were served, on the agent's own tab, since anybody last looked.
    pub(super) served: Vec<Served>,
    pub(super) calls: usize,
    pub(super) clicks: usize,
    pub(super) unknown: usize,
    /// Times that it was told which tabs it lost.
    pub(super) told: usize,
    /// Other failures, by code.
    pub(super) refused: BTreeMap<String, usize>,
    pub(super) lost: usize,
    pub(super) doubled: usize,
    /// Answers of another tab or page than its own.
    pub(super) wrong: Vec<String>,
    /// Why it works no more.
    pub(super) gave_up: Option<String>,
}

/// A call that was served.
#[derive(Debug)]
pub(super) struct Served {
    begun: Instant,
    answered: Instant,
    /// On which tab, as the answer says.
    tab: i64,
}

struct Shared {
    spawn: Spawn,
    agent: Mutex<Agent>,
    log: Mutex<Log>,
    stop: AtomicBool,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn agent(&self) -> Agent {
        self.agent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// All of them.
pub(super) struct Crew(Vec<Member>);

struct Member {
    shared: Arc<Shared>,
    work: JoinHandle<()>,
    /// The tab that it was served on last.
    tab: i64,
}

impl Crew {
    pub(super) async fn hire(world: &World, count: usize) -> Result<Self> {
        let mut crew = Vec::new();
        for name in NAMES.iter().take(count) {
            let mut spawn = world.spawn(name, Era::Legacy);
            spawn
                .arguments
                .extend(["--instance-id".into(), format!("torture-{name}")]);
            let agent = world.agent_of(spawn.clone()).await?;
            let url = world.site.url(&format!("/counter?name={name}"));
            let tab = agent.open(&url).await?;
            let shared = Arc::new(Shared {
                spawn,
                agent: Mutex::new(agent),
                log: Mutex::default(),
                stop: AtomicBool::new(false),
            });
            let worker = Worker {
                shared: Arc::clone(&shared),
                site: world.site.clone(),
                name,
                url,
                tab,
                sure: 0,
                maybe: 0,
            };
            crew.push(Member {
                shared: Arc::clone(&shared),
                work: tokio::spawn(worker.work_on(shared)),
                tab,
            });
        }
        Ok(Self(crew))
    }

    /// Kills the server of one of them, whose client starts it again under the same name.
    pub(super) async fn kill_server(&self, world: &World, number: usize) -> Result<()> {
        let Member { shared, .. } = self.0.get(number).context("no such agent")?;
        shared.agent().end(End::Kill).await?;
        let again = world.agent_of(shared.spawn.clone()).await?;
        *shared.agent.lock().unwrap_or_else(PoisonError::into_inner) = again;
        Ok(())
    }

    /// Whether each has been served by a call that it began after `gone`.
    pub(super) fn all_served_since(&self, gone: Instant) -> bool {
        let served = |log: &Log| log.served.iter().any(|one| one.begun >= gone);
        self.0.iter().all(|member| served(&member.shared.log()))
    }

    /// Waits until each has been served by a call that it began after `gone`, the death that was
    /// dealt at `from`.
    pub(super) async fn recovered(
        &mut self,
        from: Instant,
        gone: Instant,
        toll: &mut Toll,
    ) -> Result<()> {
        for Member { shared, tab, .. } in &mut self.0 {
            let first = crate::until(format!("{} to be served", shared.spawn.name), async || {
                let mut log = shared.log();
                ensure!(log.gave_up.is_none(), "{}: {log:#?}", shared.spawn.name);
                let served = std::mem::take(&mut log.served);
                Ok(served.into_iter().find(|one| one.begun >= gone))
            })
            .await?;
            toll.recovery.push(first.answered - from);
            toll.same_tab += usize::from(first.tab == *tab);
            *tab = first.tab;
        }
        Ok(())
    }

    /// Lets them come to their end, and adds what they wrote down.
    pub(super) async fn dismiss(self, toll: &mut Toll) -> Result<()> {
        for Member { shared, .. } in &self.0 {
            shared.stop.store(true, Ordering::Relaxed);
        }
        for Member { shared, work, .. } in self.0 {
            crate::within(format!("{} to stop", shared.spawn.name), async {
                Ok(work.await?)
            })
            .await?;
            let log = shared.log();
            ensure!(log.gave_up.is_none(), "{}: {log:#?}", shared.spawn.name);
            toll.add(&log);
        }
        Ok(())
    }
}

struct Worker {
    shared: Arc<Shared>,
    site: Site,
    name: &'static str,
    url: String,
    tab: i64,
    /// Clicks that the site must have counted.
    sure: usize,
    /// Clicks beside them whose outcome nobody knew.
    maybe: usize,
}

impl Worker {
    async fn work_on(self, shared: Arc<Shared>) {
        if let Err(why) = self.work().await {
            shared.log().gave_up = Some(format!("{why:#}"));
        }
    }

    async fn work(mut self) -> Result<()> {
        let mut turn = 0_usize;
        while !self.shared.stop.load(Ordering::Relaxed) {
            turn += 1;
            if turn.is_multiple_of(3) {
                let function = "() => document.querySelector('h1').textContent";
                self.call("browser_evaluate", json!({"function": function}))
                    .await?;
            } else {
                self.click().await?;
            }
        }
        // What comes late is counted, too.
        tokio::time::sleep(LATE).await;
        self.settle().await;
        Ok(())
    }

    async fn click(&mut self) -> Result<()> {
        let Some(seen) = self.call("browser_snapshot", json!({})).await? else {
            return Ok(());
        };
        let target = seen.reference(&["button", "Count"]);
        let target = target.with_context(|| format!("no button in: {seen}"))?;
        // It had its turn: whatever was clicked before is over.
        self.settle().await;
        let unknown = self.shared.log().unknown;
        let arguments = json!({"target": target, "element": "Count"});
        match self.call("browser_click", arguments).await? {
            Some(_) => {
                self.shared.log().clicks += 1;
                self.sure += 1;
            }
            None if self.shared.log().unknown > unknown => self.maybe += 1,
            // Refused: nothing may have been done.
            None => {}
        }
        Ok(())
    }

    /// Compares what the site has counted with what it must have.
    async fn settle(&mut self) {
        let end = Instant::now() + ARRIVES;
        if self.maybe > 0 {
            tokio::time::sleep(LATE).await;
        }
        let mut done = self.site.hits(self.name);
        while done < self.sure && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
            done = self.site.hits(self.name);
        }
        let mut log = self.shared.log();
        log.lost += self.sure.saturating_sub(done);
        log.doubled += done.saturating_sub(self.sure + self.maybe);
        (self.sure, self.maybe) = (done, 0);
    }

    /// The answer of a call that was served on the own tab; otherwise it has been written down.
    async fn call(&mut self, tool: &str, arguments: serde_json::Value) -> Result<Option<Answer>> {
        let agent = self.shared.agent();
        let begun = Instant::now();
        let answer = match agent.call(tool, arguments).await {
            Ok(answer) => answer,
            Err(why) => return self.restarted(&agent, why).await,
        };
        let answered = Instant::now();
        self.shared.log().calls += 1;
        if let Some(code) = answer.code() {
            return self.failed(code, &answer).await;
        }
        let shows = format!("Counter {}", self.name);
        let tab = answer.tab().filter(|tab| *tab == self.tab);
        let Some(tab) = tab.filter(|_| tool == "browser_click" || answer.text.contains(&shows))
        else {
            self.shared.log().wrong.push(answer.to_string());
            return Ok(None);
        };
        self.shared.log().served.push(Served {
            begun,
            answered,
            tab,
        });
        Ok(Some(answer))
    }

    async fn failed(&mut self, code: &str, answer: &Answer) -> Result<Option<Answer>> {
        match code {
            "outcome_unknown" => self.shared.log().unknown += 1,
            "tabs_lost" => {
                self.shared.log().told += 1;
                self.open_again().await?;
            }
            // A worker that lives again has never seen the page: the next snapshot tells of it.
            "stale_ref" => self.refused(code.to_owned()),
            other => self.refused(format!("{other}: {answer}")),
        }
        Ok(None)
    }

    fn refused(&self, what: String) {
        *self.shared.log().refused.entry(what).or_default() += 1;
    }

    /// As an agent would who has read which tab it lost.
    async fn open_again(&mut self) -> Result<()> {
        let open = json!({"action": "new", "url": self.url});
        let opened = self.shared.agent().call("browser_tabs", open).await?;
        match opened.tab().filter(|_| opened.is_ok()) {
            Some(tab) => {
                self.tab = tab;
                Ok(())
            }
            None => bail!("{} could not go on after its loss: {opened}", self.name),
        }
    }

    /// The server is gone, and what it was asked is unknown. Its client starts another.
    async fn restarted(&mut self, before: &Agent, why: anyhow::Error) -> Result<Option<Answer>> {
        self.shared.log().unknown += 1;
        let end = Instant::now() + crate::LIMIT;
        while self.shared.agent().pid() == before.pid() {
            if Instant::now() > end {
                return Err(why);
            }
            tokio::time::sleep(LATE).await;
        }
        Ok(None)
    }
}
