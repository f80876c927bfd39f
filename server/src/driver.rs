//! The one task that owns the machine. Everybody else holds a [`Handle`] and talks to it by
//! channel: inputs go in, effects are carried out here.

use protocol::error::{Fault, WireError};
use server_core::{
    Answer, CallId, CallProgress, CallRequest, Config, Effect, Input, Server, SessionKey,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What the rest of the shell asks of the driver.
#[derive(Debug)]
pub enum Message {
    /// Straight to the machine.
    Input(Input),
    /// A call with the ways back to its caller.
    Call {
        /// Its number.
        call: CallId,
        /// What it asks.
        request: CallRequest,
        /// Where progress goes.
        progress: mpsc::UnboundedSender<CallProgress>,
        /// Where the answer goes.
        answer: oneshot::Sender<Answer>,
    },
}

/// How everything outside the driver reaches the machine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    // Unbounded, so that a dropped call can be cancelled without waiting: the machine bounds the
    // calls, and each can have one message here.
    messages: mpsc::UnboundedSender<Message>,
    sockets: mpsc::Sender<Input>,
    next_call: Arc<AtomicU64>,
    exit: watch::Receiver<bool>,
}

impl Handle {
    /// Makes one call of the only session and waits for its one answer, which always comes.
    ///
    /// `progress` gets what the call waits for, as it changes. When `cancel` fires the call is
    /// cancelled and its answer still awaited (it comes within seconds); when this future is
    /// dropped it is cancelled and its answer goes nowhere.
    pub async fn call(
        &self,
        request: CallRequest,
        progress: mpsc::UnboundedSender<CallProgress>,
        cancel: CancellationToken,
    ) -> Answer {
        let call = CallId(self.next_call.fetch_add(1, Ordering::Relaxed));
        let (sender, mut answer) = oneshot::channel();
        let message = Message::Call {
            call,
            request,
            progress,
            answer: sender,
        };
        if self.messages.send(message).is_err() {
            return ended();
        }
        let mut guard = CancelOnDrop {
            handle: self,
            call: Some(call),
        };
        let answered = tokio::select! {
            biased;
            answered = &mut answer => answered,
            () = cancel.cancelled() => {
                self.input(Input::Cancel { call });
                answer.await
            }
        };
        guard.call = None;
        answered.unwrap_or_else(|_| ended())
    }

    /// Says what the MCP client calls itself (name and version).
    pub fn set_label(&self, label: String) {
        self.input(Input::Label {
            session: SessionKey::ONLY,
            label,
        });
    }

    /// Stdin has ended, or a signal came. Every open call is answered within 800 ms; then
    /// [`Handle::ended`] returns.
    pub fn stdin_ended(&self) {
        self.input(Input::End);
    }

    /// Waits until all is said and the process may exit.
    pub async fn ended(&self) {
        let mut exit = self.exit.clone();
        // An error means that the driver is gone, which is an end too.
        let _ = exit.wait_for(|done| *done).await;
    }

    /// Tells the machine what a socket brought, waiting while it is busy. All of one socket's
    /// news go this way, so that they stay in order.
    pub async fn socket(&self, input: Input) {
        let _ = self.sockets.send(input).await;
    }

    /// Tells the machine something. After its end nobody listens.
    pub fn input(&self, input: Input) {
        let _ = self.messages.send(Message::Input(input));
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

struct CancelOnDrop<'a> {
    handle: &'a Handle,
    call: Option<CallId>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.handle.input(Input::Cancel { call });
        }
    }
}

fn ended() -> Answer {
    Answer::bare(Err(WireError::from(Fault::SessionEnded)))
}

/// Carries out the effects that reach beyond the driver: sockets, files, stderr.
pub trait Outside: Send + 'static {
    /// Carries out one effect; never `Answer`, `Progress` or `Exit`. Must not block.
    fn carry_out(&mut self, effect: Effect, handle: &Handle);
    /// Waits until everything sent so far has left, but no longer than `at_most`.
    fn flush(&mut self, at_most: Duration) -> impl Future<Output = ()> + Send;
}

/// News of sockets that wait for the machine; a step takes microseconds, and beyond this the
/// sockets themselves hold their peers back.
const SOCKET_NEWS_MAX: usize = 64;

/// How long the last frames may take to leave: a socket on the same machine needs none of it.
const FLUSH_MAX: Duration = Duration::from_millis(100);

/// Starts the driver on the present runtime.
pub fn start(config: Config, seed: [u8; 32], outside: impl Outside) -> Handle {
    let (messages, inbox) = mpsc::unbounded_channel();
    let (sockets, news) = mpsc::channel(SOCKET_NEWS_MAX);
    let (exit, exited) = watch::channel(false);
    let handle = Handle {
        messages,
        sockets,
        next_call: Arc::new(AtomicU64::new(1)),
        exit: exited,
    };
    let began = Instant::now();
    let driver = Driver {
        server: Server::new(config, seed, protocol::Instant(0)),
        began,
        callers: BTreeMap::new(),
        outside,
        handle: handle.clone(),
    };
    tokio::spawn(driver.run(inbox, news, exit));
    handle
}

struct Driver<O> {
    server: Server,
    began: Instant,
    callers: BTreeMap<CallId, Caller>,
    outside: O,
    handle: Handle,
}

struct Caller {
    progress: mpsc::UnboundedSender<CallProgress>,
    answer: oneshot::Sender<Answer>,
}

enum Step {
    GoOn,
    Exit,
}

impl<O: Outside> Driver<O> {
    async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Message>,
        mut news: mpsc::Receiver<Input>,
        exit: watch::Sender<bool>,
    ) {
        loop {
            // The machine handles what is due with every step, so no flood can starve the time.
            let timeout = self.server.poll_timeout();
            let timeout = timeout.map(|(at, _)| self.began + Duration::from_millis(at.0));
            let message = tokio::select! {
                biased;
                Some(message) = inbox.recv() => message,
                Some(input) = news.recv() => Message::Input(input),
                () = sleep_until(timeout) => Message::Input(Input::Tick),
            };
            match self.handle_message(message) {
                Step::GoOn => {}
                Step::Exit => break,
            }
        }
        self.outside.flush(FLUSH_MAX).await;
        // Nobody may be left that waits for the exit.
        let _ = exit.send(true);
    }

    fn handle_message(&mut self, message: Message) -> Step {
        let input = match message {
            Message::Input(input) => input,
            Message::Call {
                call,
                request,
                progress,
                answer,
            } => {
                self.callers.insert(call, Caller { progress, answer });
                Input::Call {
                    session: SessionKey::ONLY,
                    call,
                    request,
                }
            }
        };
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.server.handle_input(input, protocol::Instant(now));
        while let Some(effect) = self.server.poll_effect() {
            match effect {
                Effect::Answer { call, answer } => {
                    if let Some(caller) = self.callers.remove(&call) {
                        // A caller that left has cancelled; its answer is nobody's.
                        let _ = caller.answer.send(answer);
                    }
                }
                Effect::Progress { call, progress } => {
                    if let Some(caller) = self.callers.get(&call) {
                        let _ = caller.progress.send(progress);
                    }
                }
                Effect::Exit => return Step::Exit,
                Effect::Send { .. }
                | Effect::Close { .. }
                | Effect::Admit { .. }
                | Effect::ReadSecret { .. }
                | Effect::SaveIdentity { .. }
                | Effect::MarkEnding { .. }
                | Effect::StopListening
                | Effect::Note(_) => self.outside.carry_out(effect, &self.handle),
            }
        }
        Step::GoOn
    }
}
