//! A client of the DevTools protocol, as small as the tests allow: calls, sessions, events.
//!
//! It observes the browser from outside, beside the extension's own debugger. Attaching to a
//! service worker keeps that worker alive, so tests about its life must not.

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

/// Events a slow reader may lag behind before it loses the oldest; no test sees a tenth of it.
const EVENTS_KEPT: usize = 4096;

/// An event of the browser, or of the target whose session it names.
#[derive(Debug, Clone)]
pub struct Event {
    /// Absent for events of the browser itself.
    pub session: Option<String>,
    /// `Target.targetCreated`
    pub method: String,
    /// As sent.
    pub params: Value,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value>>>>>;

/// One socket to the browser; clones share it.
#[derive(Clone)]
pub struct Cdp {
    next: Arc<AtomicU64>,
    waiting: Waiting,
    send: mpsc::UnboundedSender<Message>,
    events: broadcast::Sender<Event>,
}

impl Cdp {
    /// Connects to `ws://127.0.0.1:PORT/devtools/browser/…`.
    pub async fn connect(url: &str) -> Result<Self> {
        let (socket, _) = tokio_tungstenite::connect_async(url)
            .await
            .context("connecting to DevTools")?;
        let (mut sink, mut stream) = socket.split();
        let (send, mut outgoing) = mpsc::unbounded_channel::<Message>();
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let waiting = Waiting::default();
        tokio::spawn(async move {
            while let Some(message) = outgoing.recv().await {
                if sink.send(message).await.is_err() {
                    break;
                }
            }
        });
        let (calls, told) = (Arc::clone(&waiting), events.clone());
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Ok(text) = message.to_text()
                    && let Ok(frame) = serde_json::from_str::<Value>(text)
                {
                    sort(frame, &calls, &told);
                }
            }
            // The browser has gone: whoever still waits learns it now.
            calls.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        Ok(Self {
            next: Arc::default(),
            waiting,
            send,
            events,
        })
    }

    /// Calls `method` on the browser, or on the target of `session`.
    pub async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut frame = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            frame["sessionId"] = json!(session);
        }
        let (done, answer) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, done);
        self.send
            .send(Message::text(frame.to_string()))
            .map_err(|_| anyhow!("no DevTools socket"))?;
        crate::within(format!("the browser's answer to {method}"), async {
            answer
                .await
                .context("the browser closed its DevTools socket")?
        })
        .await
    }

    /// Events from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// All targets as DevTools lists them: objects with `targetId`, `type`, `url`, `title`.
    pub async fn targets(&self) -> Result<Vec<Value>> {
        let listed = self.call(None, "Target.getTargets", json!({})).await?;
        Ok(listed["targetInfos"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    }

    /// Attaches to a target.
    pub async fn attach(&self, target_id: &str) -> Result<Target> {
        let params = json!({"targetId": target_id, "flatten": true});
        let attached = self.call(None, "Target.attachToTarget", params).await?;
        let session = attached["sessionId"]
            .as_str()
            .context("no sessionId")?
            .to_owned();
        Ok(Target {
            cdp: self.clone(),
            session,
            id: target_id.to_owned(),
        })
    }

    /// Closes a target: a tab, or a worker (which then is stopped, not removed).
    pub async fn close_target(&self, target_id: &str) -> Result<()> {
        self.call(None, "Target.closeTarget", json!({"targetId": target_id}))
            .await
            .map(drop)
    }
}

fn sort(mut frame: Value, calls: &Waiting, told: &broadcast::Sender<Event>) {
    if let Some(id) = frame["id"].as_u64() {
        let call = calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        let answer = match frame.get("error") {
            Some(error) => Err(anyhow!("DevTools refused: {error}")),
            None => Ok(frame["result"].take()),
        };
        if let Some(call) = call {
            // A caller that gave up does not want its answer.
            let _ = call.send(answer);
        }
    } else if let Some(method) = frame["method"].as_str() {
        let method = method.to_owned();
        let session = frame["sessionId"].as_str().map(str::to_owned);
        // Without a listener there is nobody to tell.
        let _ = told.send(Event {
            session,
            method,
            params: frame["params"].take(),
        });
    }
}

/// A target we are attached to.
#[derive(Clone)]
pub struct Target {
    cdp: Cdp,
    session: String,
    id: String,
}

impl Target {
    /// The `targetId`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The `sessionId`, as in [`Event::session`].
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Calls `method` on this target.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.cdp.call(Some(&self.session), method, params).await
    }

    /// The value of `expression`, awaited when it is a promise.
    pub async fn evaluate(&self, expression: &str) -> Result<Value> {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut done = self.call("Runtime.evaluate", params).await?;
        if let Some(thrown) = done.get("exceptionDetails") {
            bail!("{expression} threw {thrown}");
        }
        Ok(done["result"]["value"].take())
    }

    /// A PNG of what the target shows. Only for tabs in front: a hidden one never answers.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let shot = self
            .call("Page.captureScreenshot", json!({"format": "png"}))
            .await?;
        let data = shot["data"].as_str().context("no picture")?;
        base64::engine::general_purpose::STANDARD
            .decode(data)
            .context("decoding the picture")
    }

    /// Lets the target go.
    pub async fn detach(self) -> Result<()> {
        let params = json!({"sessionId": self.session});
        self.cdp
            .call(None, "Target.detachFromTarget", params)
            .await
            .map(drop)
    }
}
