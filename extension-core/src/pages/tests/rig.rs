//! The scripted Chrome: it answers when told, and what has a plain answer by itself.

use super::*;
use protocol::SortedSet;

pub(super) const TAB: TabId = TabId(7);
pub(super) const CALL: CallId = CallId(1);
pub(super) const PAGE: &str = "http://a.test/";

/// What is left of one drain of events: asks by request, everything else in order.
pub(super) struct Chrome {
    pub(super) pages: Pages,
    pub(super) now: Instant,
    pub(super) asks: SortedMap<u64, ChromeCall>,
    pub(super) told: Vec<PageEvent>,
    pub(super) tab: Value,
    /// Commands that are never answered by themselves.
    pub(super) deaf: SortedSet<&'static str>,
}

impl Chrome {
    pub(super) fn new() -> Self {
        Self {
            pages: Pages::new([1; 32]),
            now: Instant(1_000),
            asks: SortedMap::new(),
            told: Vec::new(),
            tab: json!({"url": PAGE, "title": "A"}),
            deaf: SortedSet::new(),
        }
    }

    /// With the debugger on the tab.
    pub(super) fn attached() -> Self {
        let mut chrome = Self::new();
        chrome.adopt(Former::default());
        chrome.in_order();
        chrome
    }

    /// In the worker's next life.
    pub(super) fn adopt(&mut self, former: Former) {
        self.pages.adopt(TAB, former, self.now);
        self.drain();
    }

    /// The page of an adopted tab answers, and all that it is asked then.
    pub(super) fn in_order(&mut self) {
        self.serve();
        self.answer("Runtime.evaluate", number(1));
        self.serve();
    }

    pub(super) fn drain(&mut self) {
        while let Some(event) = self.pages.poll_event() {
            match event {
                PageEvent::Ask { request, call } => {
                    self.asks.insert(request, call);
                }
                PageEvent::Answer { .. }
                | PageEvent::Settled { .. }
                | PageEvent::Cleared { .. }
                | PageEvent::DialogOpened { .. }
                | PageEvent::DialogClosed { .. }
                | PageEvent::Mended { .. }
                | PageEvent::FrontLent { .. }
                | PageEvent::FrontTaken { .. }
                | PageEvent::CanceledByUser => self.told.push(event),
            }
        }
    }

    pub(super) fn begin(&mut self, name: &str, arguments: Value) {
        self.begin_as(CALL, name, arguments);
    }

    pub(super) fn begin_as(&mut self, call: CallId, name: &str, arguments: Value) {
        let command = Command::decode(name, &arguments).unwrap();
        let deadline = Duration::from_secs(30);
        self.pages.begin(call, TAB, &command, deadline, self.now);
        self.drain();
    }

    /// Answers what has a plain answer, until nothing plain is left.
    pub(super) fn serve(&mut self) {
        self.drain();
        loop {
            let plain = self
                .asks
                .iter()
                .find_map(|(request, call)| self.plain(call).map(|answer| (*request, answer)));
            let Some((request, answer)) = plain else {
                return;
            };
            self.asks.remove(&request);
            self.pages.handle_done(request, answer, self.now);
            self.drain();
        }
    }

    pub(super) fn plain(&self, call: &ChromeCall) -> Option<Result<Value, ChromeError>> {
        if let ChromeCall::GetTab { .. } = call {
            return (!self.deaf.contains("get")).then(|| Ok(self.tab.clone()));
        }
        if let ChromeCall::Attach { .. } | ChromeCall::Detach { .. } = call {
            return (!self.deaf.contains("attach")).then_some(Ok(Value::Null));
        }
        let ChromeCall::Command { method, .. } = call else {
            return None;
        };
        if self.deaf.contains(method) {
            return None;
        }
        match *method {
            "Page.getFrameTree" => Some(Ok(json!({"frameTree": {"frame": {
                "id": "F", "loaderId": "L1", "url": self.tab["url"]}}}))),
            "Inspector.enable"
            | "Page.enable"
            | "Runtime.enable"
            | "Runtime.disable"
            | "Target.setAutoAttach"
            | "Log.enable"
            | "Network.enable"
            | "Emulation.setFocusEmulationEnabled"
            | "Emulation.setDeviceMetricsOverride"
            | "Emulation.clearDeviceMetricsOverride"
            | "Page.stopLoading"
            | "Page.startScreencast"
            | "Page.stopScreencast"
            | "Input.dispatchMouseEvent"
            | "Input.dispatchKeyEvent"
            | "Input.insertText" => Some(Ok(json!({}))),
            _ => None,
        }
    }

    /// The request of the one open call of this name.
    pub(super) fn asked(&self, name: &str) -> u64 {
        let mut found = self.asks.iter().filter(|(_, call)| named(call) == name);
        let first = found.next();
        assert!(found.next().is_none(), "{name} twice in {:?}", self.asks);
        *first
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.asks))
            .0
    }

    pub(super) fn is_asked(&self, name: &str) -> bool {
        self.asks.values().any(|call| named(call) == name)
    }

    /// Nothing is open that a page would have to answer.
    pub(super) fn asks_no_page(&self) -> bool {
        self.asks.values().all(|call| named(call) == "get")
    }

    pub(super) fn params(&self, name: &str) -> Value {
        let ChromeCall::Command { params, .. } = &self.asks[&self.asked(name)] else {
            panic!("{name} is no command");
        };
        params.clone()
    }

    /// The parameters of all open commands of this name, in order.
    pub(super) fn all(&self, name: &str) -> Vec<Value> {
        let calls = self.asks.values().filter_map(|call| {
            if let ChromeCall::Command { method, params, .. } = call {
                (*method == name).then(|| params.clone())
            } else {
                None
            }
        });
        calls.collect()
    }

    /// The open commands of this name, in order.
    pub(super) fn requests(&self, name: &str) -> Vec<u64> {
        let calls = self.asks.iter().filter(|(_, call)| named(call) == name);
        calls.map(|(request, _)| *request).collect()
    }

    /// The child session of an open command.
    pub(super) fn session_at(&self, request: u64) -> Option<String> {
        if let ChromeCall::Command { session, .. } = &self.asks[&request] {
            session.clone()
        } else {
            None
        }
    }

    /// The child session of all open commands of this name.
    pub(super) fn session_of(&self, name: &str) -> Option<String> {
        let requests = self.requests(name).into_iter();
        let mut sessions: Vec<_> = requests.map(|one| self.session_at(one)).collect();
        sessions.dedup();
        assert_eq!(sessions.len(), 1, "{name} in {:?}", self.asks);
        sessions.remove(0)
    }

    /// As [`Chrome::answer`], for the open command of one session.
    pub(super) fn answer_in(&mut self, session: Option<&str>, name: &str, answer: Value) {
        let requests = self.requests(name).into_iter();
        let mut found = requests.filter(|one| self.session_at(*one).as_deref() == session);
        let first = found.next();
        assert!(found.next().is_none(), "{name} twice in {:?}", self.asks);
        let request = first.unwrap_or_else(|| panic!("no {name} in {:?}", self.asks));
        self.asks.remove(&request);
        self.pages.handle_done(request, Ok(answer), self.now);
        self.drain();
    }

    pub(super) fn answer(&mut self, name: &str, answer: Value) {
        let request = self.asked(name);
        self.asks.remove(&request);
        self.pages.handle_done(request, Ok(answer), self.now);
        self.drain();
    }

    /// As [`Chrome::answer`], where the first of several of this name is meant.
    pub(super) fn answer_first(&mut self, name: &str, answer: Value) {
        let request = self.requests(name)[0];
        self.asks.remove(&request);
        self.pages.handle_done(request, Ok(answer), self.now);
        self.drain();
    }

    pub(super) fn refuse(&mut self, name: &str, message: &str) {
        let request = self.asked(name);
        self.asks.remove(&request);
        let message = message.to_owned();
        self.pages
            .handle_done(request, Err(ChromeError { message }), self.now);
        self.drain();
    }

    /// Refuses all that is open now.
    pub(super) fn refuse_all(&mut self, message: &str) {
        for request in std::mem::take(&mut self.asks).into_keys() {
            let message = message.to_owned();
            self.pages
                .handle_done(request, Err(ChromeError { message }), self.now);
        }
        self.drain();
    }

    pub(super) fn event(&mut self, method: &str, params: Value) {
        assert!(hears(method), "nobody would tell of {method}");
        self.pages
            .handle_debugger(TAB, None, method, &params, self.now);
        self.drain();
    }

    pub(super) fn commit(&mut self, loader: &str, url: &str) {
        self.tab["url"] = json!(url);
        self.event(
            "Page.frameNavigated",
            json!({"frame": {"id": "F", "loaderId": loader, "url": url}}),
        );
    }

    pub(super) fn load(&mut self) {
        self.event("Page.domContentEventFired", json!({}));
        self.event("Page.loadEventFired", json!({}));
    }

    pub(super) fn dialog(&mut self) {
        self.event(
            "Page.javascriptDialogOpening",
            json!({"type": "alert", "message": "hi", "defaultPrompt": ""}),
        );
    }

    /// Time passes, and the pages are woken whenever they asked for it.
    pub(super) fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.pages.poll_timeout().filter(|at| *at < end) {
            self.look_at(at);
        }
        self.look_at(end);
    }

    /// The machine sleeps: nobody is woken meanwhile.
    pub(super) fn sleep(&mut self, seconds: u64) {
        self.look_at(self.now + Duration::from_secs(seconds));
    }

    fn look_at(&mut self, now: Instant) {
        self.now = now;
        self.pages.handle_timeout(now);
        self.drain();
    }

    pub(super) fn told(&mut self) -> Vec<PageEvent> {
        std::mem::take(&mut self.told)
    }

    /// The one answer told since the last look, and whether the turn may end.
    pub(super) fn answered(&mut self) -> (Result<PageResult, Fault>, bool) {
        let told = self.told();
        let answers: Vec<_> = told
            .iter()
            .filter_map(|event| match event {
                PageEvent::Answer { outcome, .. } => Some((**outcome).clone()),
                PageEvent::Ask { .. }
                | PageEvent::Settled { .. }
                | PageEvent::Cleared { .. }
                | PageEvent::DialogOpened { .. }
                | PageEvent::DialogClosed { .. }
                | PageEvent::Mended { .. }
                | PageEvent::FrontLent { .. }
                | PageEvent::FrontTaken { .. }
                | PageEvent::CanceledByUser => None,
            })
            .collect();
        assert_eq!(answers.len(), 1, "{told:?}");
        let settled = told.contains(&PageEvent::Settled {
            call: CALL,
            tab: TAB,
        });
        (answers.into_iter().next().unwrap(), settled)
    }

    pub(super) fn fault(&mut self) -> (Fault, bool) {
        let (answer, settled) = self.answered();
        (answer.unwrap_err(), settled)
    }

    pub(super) fn result(&mut self) -> (PageResult, bool) {
        let (answer, settled) = self.answered();
        (answer.unwrap(), settled)
    }

    pub(super) fn settled(&mut self) -> bool {
        let told = self.told();
        told == [PageEvent::Settled {
            call: CALL,
            tab: TAB,
        }]
    }
}

pub(super) fn named(call: &ChromeCall) -> &'static str {
    if let ChromeCall::Command { method, .. } = call {
        method
    } else if let ChromeCall::Attach { .. } = call {
        "attach"
    } else if let ChromeCall::Detach { .. } = call {
        "detach"
    } else if let ChromeCall::GetTab { .. } = call {
        "get"
    } else if let ChromeCall::GoTo { .. } = call {
        "go"
    } else if let ChromeCall::FocusedWindow = call {
        "front"
    } else {
        panic!("{call:?}")
    }
}

pub(super) fn evaluate(chrome: &mut Chrome) {
    chrome.begin("browser_evaluate", json!({"function": "() => 1"}));
}

pub(super) fn number(value: i64) -> Value {
    json!({"result": {"type": "number", "value": value}})
}
