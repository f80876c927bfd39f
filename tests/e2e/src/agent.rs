//! An MCP client over stdio that starts the server as Claude Code or Claude Desktop would.
//!
//! It speaks both revisions by hand: the legacy one (`initialize`, 2025-11-25) and the one without
//! sessions (`server/discover`, 2026-07-28, protocol version in every `_meta`). It knows JSON-RPC
//! and the shape of tool results, and no tool.

mod answer;
mod page;

pub use answer::{Answer, Progress};
pub use page::{reading, value_in};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{oneshot, watch};

/// How much of a server's log is shown when a test fails.
const LOG_SHOWN: usize = 6000;

/// Which revision of MCP a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25: `initialize`, then `notifications/initialized`.
    Legacy,
    /// 2026-07-28: `server/discover`, no session, version and capabilities in every request.
    Modern,
}

/// How a client ends its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Closes its stdin, as a client that quits does.
    CloseStdin,
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Spawn {
    /// The client's name in its `clientInfo`.
    pub name: String,
    /// The revision that it speaks.
    pub era: Era,
    /// The server.
    pub binary: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The working folder, made if missing; the server's log is kept in it.
    pub folder: PathBuf,
    /// Goes into the environment, for the search after leftovers.
    pub mark: String,
}

/// A running server and the client that talks to it; clones share both.
#[derive(Clone)]
pub struct Agent(Arc<Inner>);

struct Inner {
    spawn: Spawn,
    pid: i32,
    child: tokio::sync::Mutex<Child>,
    stdin: tokio::sync::Mutex<Option<ChildStdin>>,
    next: AtomicU64,
    open: Mutex<Open>,
    /// What the server said to the first request.
    hello: Mutex<Value>,
}

/// Requests without an answer. `None` once stdout has ended: then nothing is answered any more.
#[derive(Default)]
struct Open {
    ended: bool,
    calls: HashMap<u64, Waiter>,
    /// Notifications that belong to no request of ours.
    stray: Vec<Value>,
}

struct Waiter {
    done: oneshot::Sender<Value>,
    progress: watch::Sender<Vec<Progress>>,
}

impl Agent {
    /// Starts the server and greets it.
    pub async fn start(spawn: Spawn) -> Result<Self> {
        let agent = Self::launch(spawn).await?;
        let hello = crate::within(format!("{} to be greeted", agent.name()), agent.greet()).await?;
        *agent.0.hello.lock().unwrap_or_else(PoisonError::into_inner) = hello;
        Ok(agent)
    }

    #[expect(
        clippy::unused_async,
        reason = "needs the runtime, which only async callers have"
    )]
    async fn launch(spawn: Spawn) -> Result<Self> {
        fs::create_dir_all(&spawn.folder).context("making a client's folder")?;
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(log_path(&spawn))?;
        let mut command = Command::new(&spawn.binary);
        for (name, _) in std::env::vars_os() {
            // The settings of whoever runs the tests are not the tests'.
            if name.to_string_lossy().starts_with("INTERLOCK_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(&spawn.arguments)
            .current_dir(&spawn.folder)
            .env_remove("MCP_INSTANCE_ID")
            .env("E2E_MARK", &spawn.mark)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", spawn.binary.display()))?;
        let pid = child.id().context("the server ended at once")? as i32;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("stdout")?;
        let inner = Arc::new(Inner {
            spawn,
            pid,
            child: tokio::sync::Mutex::new(child),
            stdin: tokio::sync::Mutex::new(stdin),
            next: AtomicU64::new(0),
            open: Mutex::default(),
            hello: Mutex::default(),
        });
        // A weak handle: the reader must not keep the server alive.
        tokio::spawn(read(Arc::downgrade(&inner), stdout));
        Ok(Self(inner))
    }

    async fn greet(&self) -> Result<Value> {
        match self.0.spawn.era {
            Era::Legacy => {
                let params = json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "clientInfo": self.client_info(),
                });
                let hello = self.request("initialize", params).await?.reply().await?;
                let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
                self.send(&initialized).await?;
                Ok(hello)
            }
            Era::Modern => {
                self.request("server/discover", json!({}))
                    .await?
                    .reply()
                    .await
            }
        }
    }

    fn client_info(&self) -> Value {
        json!({"name": self.0.spawn.name, "version": "1.0.0"})
    }

    /// The client's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.spawn.name
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.0.pid
    }

    /// What it was started with, to start it again.
    #[must_use]
    pub fn spawn(&self) -> Spawn {
        self.0.spawn.clone()
    }

    /// The result of `initialize` or `server/discover`.
    #[must_use]
    pub fn hello(&self) -> Value {
        self.0
            .hello
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the server wrote to stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(log_path(&self.0.spawn)).unwrap_or_default()
    }

    /// The end of the log, as long as a failure message bears.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let from = log.len().saturating_sub(LOG_SHOWN);
        let from = (from..log.len())
            .find(|at| log.is_char_boundary(*at))
            .unwrap_or(log.len());
        format!("--- log of {} ---\n{}", self.name(), &log[from..])
    }

    /// Calls a tool and waits for its answer, a failed one included.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Answer> {
        self.begin(tool, arguments).await?.answer().await
    }

    /// Calls a tool and fails when the answer is an error.
    pub async fn ok(&self, tool: &str, arguments: Value) -> Result<Answer> {
        let answer = self.call(tool, arguments.clone()).await?;
        if answer.is_ok() {
            return Ok(answer);
        }
        Err(anyhow!(
            "{}: {tool} {arguments} failed: {answer}",
            self.name()
        ))
    }

    /// Calls a tool without waiting; several calls may be open at once.
    pub async fn begin(&self, tool: &str, arguments: Value) -> Result<Call> {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// The tools that the server lists.
    pub async fn tools(&self) -> Result<Vec<Value>> {
        let reply = self.request("tools/list", json!({})).await?.reply().await?;
        Ok(reply["tools"].as_array().cloned().unwrap_or_default())
    }

    /// Sends any request.
    pub async fn request(&self, method: &str, mut params: Value) -> Result<Call> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed) + 1;
        params["_meta"] = match self.0.spawn.era {
            Era::Legacy => json!({"progressToken": id}),
            Era::Modern => json!({
                "progressToken": id,
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": self.client_info(),
                "io.modelcontextprotocol/clientCapabilities": {},
            }),
        };
        let (done, reply) = oneshot::channel();
        let (progress, told) = watch::channel(Vec::new());
        {
            let mut open = self.0.open();
            if open.ended {
                return Err(self.0.gone());
            }
            open.calls.insert(id, Waiter { done, progress });
        }
        let what = format!(
            "{}: {method} {}",
            self.name(),
            params["name"].as_str().unwrap_or("")
        );
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await?;
        Ok(Call {
            agent: self.clone(),
            id,
            what,
            reply,
            told,
        })
    }

    async fn send(&self, message: &Value) -> Result<()> {
        let mut stdin = self.0.stdin.lock().await;
        let stdin = stdin.as_mut().context("stdin is closed")?;
        stdin
            .write_all(format!("{message}\n").as_bytes())
            .await
            .context("writing to the server")?;
        stdin.flush().await.context("writing to the server")
    }

    /// Closes its stdin, and does not wait for it to end.
    pub async fn close_stdin(&self) {
        drop(self.0.stdin.lock().await.take());
    }

    /// Ends the server and waits until it is gone. An end of an ended server is no error.
    pub async fn end(&self, how: End) -> Result<ExitStatus> {
        let mut child = self.0.child.lock().await;
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let pid = Pid::from_raw(self.0.pid).context("pid")?;
        match how {
            End::CloseStdin => self.close_stdin().await,
            End::Terminate => kill_process(pid, Signal::TERM)?,
            End::Kill => kill_process(pid, Signal::KILL)?,
        }
        crate::within(format!("{} to exit after {how:?}", self.name()), async {
            Ok(child.wait().await?)
        })
        .await
    }

    /// Ends the server as a client that quits does; anything but a prompt clean exit is an error.
    pub async fn quit(&self) -> Result<()> {
        /// The server has a second; two busy cores get some more.
        const PROMPT: Duration = Duration::from_secs(5);
        let started = std::time::Instant::now();
        let status = self.end(End::CloseStdin).await?;
        let killed_by_the_test = status.signal().is_some();
        if !status.success() && !killed_by_the_test {
            return Err(anyhow!(
                "{} exited with {status}\n{}",
                self.name(),
                self.log_tail()
            ));
        }
        // Whatever stands on stdout beside JSON-RPC would confuse a real client.
        let open = self.0.open();
        if let Some(word) = open.stray.iter().find(|one| one.get("notJson").is_some()) {
            return Err(anyhow!("{} wrote to stdout: {word}", self.name()));
        }
        if started.elapsed() > PROMPT {
            return Err(anyhow!(
                "{} took {:?} to exit",
                self.name(),
                started.elapsed()
            ));
        }
        Ok(())
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone(&self) -> anyhow::Error {
        anyhow!("the server of {} has closed its stdout", self.spawn.name)
    }
}

fn log_path(spawn: &Spawn) -> PathBuf {
    Path::new(&spawn.folder).join("server.log")
}

/// Gives every line of stdout to whom it belongs, until stdout ends.
async fn read(agent: std::sync::Weak<Inner>, stdout: ChildStdout) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(agent) = agent.upgrade() else { return };
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            // Told when the agent quits.
            agent.open().stray.push(json!({"notJson": line}));
            continue;
        };
        let mut open = agent.open();
        if let Some(id) = message["id"].as_u64()
            && message.get("method").is_none()
        {
            if let Some(waiter) = open.calls.remove(&id) {
                // A dropped call does not want its answer.
                let _ = waiter.done.send(message);
            }
        } else if message["method"] == "notifications/progress"
            && let Some(token) = message["params"]["progressToken"].as_u64()
            && let Some(waiter) = open.calls.get(&token)
        {
            waiter
                .progress
                .send_modify(|all| all.push(Progress::read(&message["params"])));
        } else {
            open.stray.push(message);
        }
    }
    if let Some(agent) = agent.upgrade() {
        let mut open = agent.open();
        open.ended = true;
        // Dropping the senders wakes whoever waits.
        open.calls.clear();
    }
}

/// A request on its way.
pub struct Call {
    agent: Agent,
    id: u64,
    what: String,
    reply: oneshot::Receiver<Value>,
    told: watch::Receiver<Vec<Progress>>,
}

impl Call {
    /// The tool's answer.
    pub async fn answer(self) -> Result<Answer> {
        let (what, agent) = (self.what.clone(), self.agent.clone());
        let message = crate::within(&what, self.message())
            .await
            .map_err(|why| anyhow!("{why:#}\n{}", agent.log_tail()))?;
        Ok(Answer::read(&message))
    }

    /// The `result` of a request that is no tool call.
    pub async fn reply(self) -> Result<Value> {
        let what = self.what.clone();
        let mut message = crate::within(&what, self.message()).await?;
        match message.get("error") {
            Some(error) => Err(anyhow!("{what} was refused: {error}")),
            None => Ok(message["result"].take()),
        }
    }

    async fn message(self) -> Result<Value> {
        self.reply.await.map_err(|_| self.agent.0.gone())
    }

    /// Whether the answer has come.
    #[must_use]
    pub fn is_answered(&mut self) -> bool {
        !matches!(
            self.reply.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        )
    }

    /// Progress told so far.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.told.borrow().clone()
    }

    /// Waits for a progress message that contains `text`.
    pub async fn until_progress(&mut self, text: &str) -> Result<Progress> {
        let found =
            |all: &Vec<Progress>| all.iter().find(|one| one.message.contains(text)).cloned();
        let what = format!("progress of {} saying {text:?}", self.what);
        let mut told = self.told.clone();
        crate::within(what, async {
            let all = told.wait_for(|all| found(all).is_some()).await;
            let all = all.map_err(|_| anyhow!("the call ended before"))?;
            found(&all).context("progress")
        })
        .await
    }

    /// Cancels it (`notifications/cancelled`). A well-behaved server does not answer it then.
    pub async fn cancel(&self) -> Result<()> {
        let params = json!({"requestId": self.id, "reason": "the test cancels it"});
        let message =
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
        self.agent.send(&message).await
    }
}
