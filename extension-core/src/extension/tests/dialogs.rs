//! A dialog, and the worker's death at each single instant around it: before and after every write
//! that lands and every command that Chrome carries out, with the events of that command lost.

use super::losses::with_a_loss;
use super::*;
use crate::input::{BrowserEvent, ChromeError};

type Told = Vec<Input>;

/// A page that asks `confirm()` when a script says so, under a debugger.
#[derive(Default)]
struct Page {
    detached: bool,
    dialog: bool,
    /// The debugger went from under a dialog: nothing answers any more.
    wrecked: bool,
    /// How its dialogs were answered.
    handled: Vec<bool>,
    hanging: Vec<RequestId>,
}

impl Page {
    /// Carries out a call; what the extension is told then.
    fn perform(&mut self, request: RequestId, call: &ChromeCall) -> Told {
        let done = |outcome| vec![Input::Done { request, outcome }];
        match call {
            ChromeCall::GetTab { tab } => done(Ok(json!(facts(tab.0.into())))),
            ChromeCall::Attach { .. } if self.detached => {
                self.detached = false;
                done(Ok(Value::Null))
            }
            ChromeCall::Attach { .. } => done(Err(error("Another debugger is already attached"))),
            ChromeCall::Detach { .. } => {
                self.wrecked |= self.dialog;
                self.detached = true;
                done(Ok(Value::Null))
            }
            ChromeCall::Command { .. } if self.detached => done(Err(error(
                "Debugger is not attached to the tab with id: 7.",
            ))),
            ChromeCall::Command { method, params, .. } => self.command(request, method, params),
            ChromeCall::GroupTab { .. }
            | ChromeCall::CreateTab { .. }
            | ChromeCall::CreateWindow { .. }
            | ChromeCall::LastFocusedWindow
            | ChromeCall::FocusedWindow
            | ChromeCall::FocusWindow { .. }
            | ChromeCall::RemoveTab { .. }
            | ChromeCall::WindowTabs { .. }
            | ChromeCall::ActivateTab { .. }
            | ChromeCall::GoTo { .. }
            | ChromeCall::AutoDiscardable { .. }
            | ChromeCall::UngroupTab { .. }
            | ChromeCall::TitleGroup { .. } => done(Ok(json!({}))),
        }
    }

    fn command(&mut self, request: RequestId, method: &str, params: &Value) -> Told {
        let done = |request, outcome| Input::Done { request, outcome };
        let script = params["expression"].as_str().unwrap_or_default();
        match method {
            "Page.handleJavaScriptDialog" if !self.dialog => {
                vec![done(request, Err(error("No dialog is showing")))]
            }
            "Page.handleJavaScriptDialog" => {
                self.dialog = false;
                self.handled.push(params["accept"] == true);
                let mut told = vec![event("Page.javascriptDialogClosed", json!({}))];
                let hanging = std::mem::take(&mut self.hanging);
                told.extend(
                    hanging
                        .into_iter()
                        .map(|request| done(request, Ok(number()))),
                );
                told.push(done(request, Ok(json!({}))));
                told
            }
            "Page.stopScreencast" | "Inspector.enable" | "Page.stopLoading" => {
                vec![done(request, Ok(json!({})))]
            }
            _ if method.starts_with("Input.") => vec![done(request, Ok(json!({})))],
            _ if self.dialog || self.wrecked => {
                self.hanging.push(request);
                Vec::new()
            }
            _ if script.contains("confirm()") => {
                self.dialog = true;
                self.hanging.push(request);
                let opening = json!({"type": "confirm", "message": "Delete?", "defaultPrompt": ""});
                vec![event("Page.javascriptDialogOpening", opening)]
            }
            "Page.getFrameTree" => {
                let frame = json!({"id": "F", "loaderId": "L", "url": facts(7).url});
                vec![done(request, Ok(json!({"frameTree": {"frame": frame}})))]
            }
            _ => vec![done(request, Ok(number()))],
        }
    }
}

fn number() -> Value {
    json!({"result": {"type": "number", "value": 1}})
}

fn error(message: &str) -> ChromeError {
    ChromeError {
        message: message.to_owned(),
    }
}

fn event(method: &str, params: Value) -> Input {
    Input::Browser(BrowserEvent::Debugger {
        tab: TabId(7),
        session: None,
        method: method.to_owned(),
        params,
    })
}

/// One life of the worker.
struct Life {
    peer: Peer,
    page: Page,
    /// Instants until its death.
    left: usize,
}

impl Life {
    fn first(left: usize) -> Self {
        let mut peer = Peer::with_a_tab();
        peer.asked.clear();
        let page = Page {
            detached: true,
            ..Page::default()
        };
        Self { peer, page, left }
    }

    /// It dies; what was under way is answered to nobody.
    fn next(self) -> Self {
        let Self { peer, mut page, .. } = self;
        page.hanging.clear();
        let attached = if page.detached {
            vec![]
        } else {
            vec![TabId(7)]
        };
        let extension = boot_under(
            peer.disk.clone(),
            vec![facts(7)],
            attached.into_iter().collect(),
        );
        let mut peer = Peer::reborn(Limits::default(), extension, peer.disk);
        peer.write();
        Self {
            peer,
            page,
            left: usize::MAX,
        }
    }

    /// Lets all happen that can happen now; whether the worker outlived it.
    fn goes_on(&mut self) -> bool {
        self.goes_on_until(|_| false)
    }

    /// The same, no further than until this is so.
    fn goes_on_until(&mut self, is_so: impl Fn(&Page) -> bool) -> bool {
        while !is_so(&self.page) {
            let mut told = Vec::new();
            if let Some(write) = self.peer.writes.pop() {
                if !self.lives() {
                    return false;
                }
                self.peer.land(write);
                told.push(Input::Written { write, ok: true });
            } else if !self.peer.asked.is_empty() {
                let (request, call) = self.peer.asked.remove(0);
                if !self.lives() {
                    return false;
                }
                told.extend(self.page.perform(request, &call));
            } else {
                return true;
            }
            // Whatever this did is done, and nobody may hear of it.
            if !self.lives() {
                return false;
            }
            for input in told {
                self.peer.tell(input);
            }
        }
        true
    }

    fn lives(&mut self) -> bool {
        let lives = self.left > 0;
        self.left = self.left.saturating_sub(1);
        lives
    }

    fn asks(&mut self, wire_id: &str, name: &str, payload: Value) -> bool {
        self.peer.command(wire_id, name, payload);
        self.goes_on()
    }

    fn waits(&mut self, time: Duration) {
        self.peer.now = self.peer.now + time;
        self.peer.tell(Input::Tick);
        self.goes_on();
    }

    /// A script asks, the agent sees it, and says yes. Whether the worker outlived it.
    fn plays(&mut self) -> bool {
        let asks = json!({"function": "() => confirm()"});
        let accept = json!({"accept": true});
        self.asks("asks", "browser_evaluate", asks)
            && self.asks("looks", "browser_snapshot", json!({}))
            && self.asks("accepts", "browser_handle_dialog", accept)
    }
}

#[test]
fn a_dialog_that_the_worker_died_around_is_answered_by_its_agent_and_nobody_else() {
    let (mut known, mut unknown, mut never) = (0, 0, 0);
    for left in 0.. {
        let mut life = Life::first(left);
        if life.plays() {
            assert_eq!(life.peer.code("looks"), Some(ErrorCode::DialogOpen));
            assert_eq!(life.page.handled, [true]);
            break;
        }
        let handled_before = life.page.handled.len();
        let opened = life.page.dialog || handled_before > 0;
        let told = life.peer.answers().contains(&"asks");
        let mut life = life.next();
        life.goes_on();
        let read = json!({"function": "() => 1"});
        life.asks("next", "browser_evaluate", read.clone());
        life.waits(Duration::from_millis(200));
        life.waits(Duration::from_secs(11));
        match life.peer.code("next") {
            Some(ErrorCode::DialogOpen) => known += 1,
            Some(ErrorCode::Timeout) => {
                assert!(!told, "death {left}: forgotten");
                unknown += 1;
            }
            other => {
                assert_eq!((other, life.page.dialog), (None, false), "death {left}");
                never += 1;
            }
        }
        if life.page.dialog {
            assert!(life.page.handled.is_empty(), "death {left}");
            let accept = json!({"accept": true});
            life.asks("then", "browser_handle_dialog", accept);
            assert_eq!(life.peer.code("then"), None, "death {left}");
        }
        let expected: &[bool] = if opened { &[true] } else { &[] };
        assert_eq!(life.page.handled, expected, "death {left}");
        life.asks("last", "browser_evaluate", read);
        assert!(life.peer.answers().contains(&"last"), "death {left}");
        assert_eq!(life.peer.code("last"), None, "death {left}");
        assert!(!life.page.wrecked, "death {left}");
    }
    assert!(
        known > 3 && unknown > 0 && never > 10,
        "{known} {unknown} {never}"
    );
}

#[test]
fn a_tab_that_is_let_go_after_the_worker_died_around_its_dialog_is_whole() {
    for left in 0.. {
        let mut life = Life::first(left);
        if life.plays() {
            break;
        }
        let mut life = life.next();
        life.goes_on();
        life.peer.release("gone");
        life.goes_on();
        for _ in 0..3 {
            life.waits(Duration::from_secs(1));
        }
        assert!(
            life.peer.extension.tabs.is_person_tab(TabId(7)),
            "death {left}"
        );
        let page = &life.page;
        assert!(
            page.detached && !page.wrecked && !page.dialog,
            "death {left}"
        );
    }
}

/// Session s was shown a dialog, and its yes to it is on its way to the disk.
fn with_a_yes_under_way() -> Life {
    let mut life = Life::first(usize::MAX);
    life.asks(
        "asks",
        "browser_evaluate",
        json!({"function": "() => confirm()"}),
    );
    assert!(life.page.dialog);
    let yes = json!({"accept": true});
    life.peer.command("accepts", "browser_handle_dialog", yes);
    life
}

#[test]
fn a_yes_is_said_to_no_dialog_but_the_one_that_it_was_meant_for() {
    let mut life = with_a_yes_under_way();
    // The person was faster, and the page has another question.
    life.peer
        .tell(event("Page.javascriptDialogClosed", json!({})));
    let opening = json!({"type": "confirm", "message": "Pay?", "defaultPrompt": ""});
    life.peer
        .tell(event("Page.javascriptDialogOpening", opening));
    life.goes_on();
    assert_eq!(life.page.handled, [] as [bool; 0]);
    assert_eq!(life.peer.code("accepts"), Some(ErrorCode::DialogOpen));
}

#[test]
fn a_yes_is_not_said_to_a_dialog_that_closed_while_it_was_written() {
    let mut life = with_a_yes_under_way();
    life.peer
        .tell(event("Page.javascriptDialogClosed", json!({})));
    life.goes_on();
    assert_eq!(life.page.handled, [] as [bool; 0]);
    assert_eq!(life.peer.code("accepts"), Some(ErrorCode::BadArguments));
}

#[test]
fn who_lost_the_tab_while_its_yes_was_written_says_it_no_more() {
    let mut life = with_a_yes_under_way();
    let tab_id = TabId(7);
    life.peer.person(crate::PersonAction::TakeBack { tab_id });
    life.peer.write();
    assert_eq!(life.peer.code("accepts"), Some(ErrorCode::TabTaken));
    life.goes_on();
    assert_eq!(life.page.handled, [false], "dismissed");
}

#[test]
fn lost_tabs_are_told_by_the_answer_that_leaves_while_a_dialog_waits_for_the_disk() {
    let mut life = Life {
        peer: with_a_loss(Limits::default(), "https://a.test/"),
        ..Life::first(usize::MAX)
    };
    life.goes_on();
    let asks = json!({"function": "() => confirm()"});
    life.peer.say(&Frame::Command(Envelope {
        tab_id: Some(TabId(7)),
        ..Envelope::command(WireId::new("asks").unwrap(), id(), "browser_evaluate", asks)
    }));
    life.goes_on_until(|page| page.dialog);
    life.peer.command("quick", "browser_session", json!({}));
    assert_eq!(life.peer.answers(), ["quick"]);
    life.goes_on();
    assert_eq!(life.peer.answers(), ["quick", "asks"]);
    assert_eq!(life.peer.told_by(), ["quick"]);
}
