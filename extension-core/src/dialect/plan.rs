//! How a request goes on when a command of it has been answered: most are one command, whose data
//! takes another shape; some need a second to tell all that is expected.

use super::Seen;
use super::shape::{self, Console, Element, Wanted};
use protocol::command::{Evaluate, TabsAction};
use protocol::{Command, ErrorCode, Fault, TabId, Target, WireError};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Elements whose place is looked up, one script each: no shipped server asks for them, and what a
/// page has more is in the snapshot that they do ask for.
pub(super) const ELEMENTS_MAX: usize = 50;

/// What an answer becomes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// `{}`.
    Nothing,
    /// `{success: true}`.
    Success,
    /// That, and what the page opened.
    Acted { popups: bool },
    /// A page was opened; a snapshot of it may follow.
    Opened { popups: bool, snapshot: bool },
    /// Its snapshot; `popups` are those that opening it brought.
    Shown { popups: Option<Vec<Value>> },
    /// `{snapshot, tabId}`.
    Snapshot,
    /// The elements of a snapshot, whose places follow.
    Elements,
    /// The place of the first of `rest`.
    Places {
        rest: VecDeque<Element>,
        done: Vec<Value>,
    },
    /// `{result}`.
    Result,
    /// What the console had to say is kept for whoever asks.
    Attached,
    /// Lines of the console.
    Logs(Wanted),
    /// Data of the debugger.
    Data(Wanted),
    /// `{data}`, a picture.
    Picture,
    /// `{requests}`.
    Requests,
    /// `{tabs}`.
    Tabs,
    /// The tab at this place of the list is selected.
    SelectAt { index: usize },
    /// The tab at this place of the list is closed.
    CloseAt { index: usize },
    /// `{success, tabId, index}` of the tab that the answer is about.
    Placed { popups: bool },
    /// The same, in this list.
    PlacedIn {
        tab: TabId,
        popups: Option<Vec<Value>>,
    },
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// One more command.
    Command(Command, Plan),
    /// All is known.
    Done(Value),
    /// It came to nothing.
    Failed(WireError),
}

/// Where an answer was given.
pub(super) struct At<'a, 'b> {
    pub(super) instance: &'a str,
    pub(super) tab: Option<TabId>,
    pub(super) seen: &'a Seen<'b>,
}

impl Plan {
    pub(super) fn next(
        &mut self,
        outcome: Result<Value, WireError>,
        console: &mut Console,
        at: &At<'_, '_>,
    ) -> Next {
        let data = match outcome {
            Ok(data) => data,
            Err(error) => return self.fail(error, at),
        };
        match self {
            Self::Nothing => Next::Done(json!({})),
            Self::Success => Next::Done(json!({"success": true})),
            Self::Acted { popups } => {
                let popups = popups.then(|| shape::popups(&data));
                Next::Done(shape::with_popups(json!({"success": true}), popups))
            }
            Self::Opened { popups, snapshot } => {
                let popups = popups.then(|| shape::popups(&data));
                if *snapshot {
                    return Next::Command(Command::Snapshot, Self::Shown { popups });
                }
                let page = json!({"_debug": shape::debug(at)});
                Next::Done(shape::with_popups(page, popups))
            }
            Self::Shown { popups } => {
                let snapshot = shape::text(&data, "snapshot");
                if let Some(popups) = popups {
                    popups.extend(shape::layers(snapshot));
                }
                let page = json!({"snapshot": snapshot, "_debug": shape::debug(at)});
                Next::Done(shape::with_popups(page, popups.take()))
            }
            Self::Snapshot => {
                let snapshot = shape::text(&data, "snapshot");
                Next::Done(json!({"snapshot": snapshot, "tabId": at.tab}))
            }
            Self::Elements => {
                let snapshot = shape::text(&data, "snapshot");
                let rest = shape::elements(snapshot).take(ELEMENTS_MAX).collect();
                places(rest, Vec::new(), at)
            }
            Self::Places { rest, done } => {
                if let Some(Element { target, role, name }) = rest.pop_front() {
                    let bounds = &data["value"];
                    done.push(json!({"ref": target, "role": role, "name": name, "bounds": bounds}));
                }
                places(std::mem::take(rest), std::mem::take(done), at)
            }
            Self::Result => Next::Done(json!({"result": data["value"]})),
            Self::Attached => {
                console.add(at.tab, &data["console"]);
                Next::Done(json!({"success": true}))
            }
            Self::Logs(wanted) => {
                console.add(at.tab, &data["console"]);
                Next::Done(json!({"logs": console.lines(at.tab, wanted)}))
            }
            Self::Data(wanted) => {
                let found = match (data["console"].is_array(), data["requests"].is_array()) {
                    (true, _) => {
                        console.add(at.tab, &data["console"]);
                        json!(console.lines(at.tab, wanted))
                    }
                    (false, true) => json!(shape::requests(&data, wanted)),
                    (false, false) => data["value"].clone(),
                };
                Next::Done(shape::data(&wanted.kind, found))
            }
            Self::Picture => {
                let image = &data["image"];
                let (mime, base64) = (shape::text(image, "mime"), shape::text(image, "data"));
                Next::Done(json!({"data": format!("data:{mime};base64,{base64}")}))
            }
            Self::Requests => {
                let requests = shape::requests(&data, &Wanted::default());
                Next::Done(json!({"requests": requests}))
            }
            Self::Tabs => Next::Done(json!({"tabs": shape::tabs(&data, at)})),
            Self::SelectAt { index } => match nth(&data, *index) {
                Ok(tab) => {
                    let activate = false;
                    let select = Command::Tabs(TabsAction::Select { tab, activate });
                    Next::Command(select, Self::Placed { popups: false })
                }
                Err(fault) => Next::Failed(fault.into()),
            },
            Self::CloseAt { index } => match nth(&data, *index) {
                Ok(tab) => {
                    let close = Command::Tabs(TabsAction::Close { tab: Some(tab) });
                    Next::Command(close, Self::Success)
                }
                Err(fault) => Next::Failed(fault.into()),
            },
            Self::Placed { popups } => {
                let popups = popups.then(|| shape::popups(&data));
                let Some(tab) = at.tab else {
                    return missing("tab");
                };
                if data.get("tabs").is_some() {
                    return placed(&data, tab, popups);
                }
                // A tab with an address is answered with its page.
                let list = Command::Tabs(TabsAction::List);
                Next::Command(list, Self::PlacedIn { tab, popups })
            }
            Self::PlacedIn { tab, popups } => placed(&data, *tab, popups.take()),
        }
    }

    /// What fails, fails, but for a second command that would only have told more of a page which
    /// is open: a dialog may keep it.
    fn fail(&mut self, error: WireError, at: &At<'_, '_>) -> Next {
        if let Self::Shown { popups } = self {
            if let (Some(popups), ErrorCode::DialogOpen) = (popups.as_mut(), error.code)
                && popups.is_empty()
            {
                popups.push(json!({"type": "dialog", "text": error.message, "elements": []}));
            }
            let page = json!({"_debug": shape::debug(at)});
            return Next::Done(shape::with_popups(page, popups.take()));
        }
        Next::Failed(error)
    }
}

/// The place of the next element, until there is none.
fn places(rest: VecDeque<Element>, done: Vec<Value>, at: &At<'_, '_>) -> Next {
    let Some(next) = rest.front() else {
        return Next::Done(json!({"snapshot": done, "tabId": at.tab}));
    };
    let command = Command::Evaluate(Evaluate {
        function: shape::BOUNDS.into(),
        target: Some(Target(next.target.clone())),
        element: None,
        timeout_ms: None,
    });
    Next::Command(command, Plan::Places { rest, done })
}

fn placed(list: &Value, tab: TabId, popups: Option<Vec<Value>>) -> Next {
    let index = shape::own(list).position(|own| own["tabId"] == tab.0);
    let done = json!({"success": true, "tabId": tab, "index": index});
    Next::Done(shape::with_popups(done, popups))
}

fn nth(list: &Value, index: usize) -> Result<TabId, Fault> {
    let tab = shape::own(list).nth(index).and_then(shape::tab_id);
    tab.ok_or_else(|| Fault::BadArguments {
        what: format!("No tab found at index {index}: `tabs.list` has the session's own tabs."),
    })
}

fn missing(what: &str) -> Next {
    let what = format!("an answer has no {what}");
    Next::Failed(Fault::Internal { what }.into())
}
