//! People at the popup and at the DevTools console: their questions go in with a number, and the
//! answer finds its way home by it.

use super::chrome::{Port, Settle};
use super::{PEOPLE, convert, drive, view};
use crate::input::{AskId, Input, PersonAction};
use crate::view::View;
use protocol::{SortedMap, WireError};
use serde::Serialize;
use serde_json::{Value, json};
use wasm_bindgen::JsValue;

/// Open questions of people. Beyond it the oldest is told that it goes unanswered.
const ASKS_MAX: usize = 64;

/// Who has a popup open, and who waits for an answer.
pub(super) struct People {
    popups: Vec<Port>,
    asks: SortedMap<AskId, Asker>,
    next: u64,
}

enum Asker {
    /// A popup, and the number that it gave its question.
    Popup(Port, JsValue),
    /// A promise of the façade: `resolve`, `reject`.
    Console(Settle, Settle),
}

impl People {
    pub(super) const fn new() -> Self {
        Self {
            popups: Vec::new(),
            asks: SortedMap::new(),
            next: 0,
        }
    }
}

/// Told twice of one popup, as happens when a core falls while it opens, it counts once.
pub(super) fn popup_opened(port: Port) {
    post(&port, &convert::to_js(&json!({"view": view()})));
    let open = PEOPLE.with_borrow_mut(|people| {
        if !people.popups.contains(&port) {
            people.popups.push(port);
        }
        people.popups.len()
    });
    drive(Input::Popups { open });
}

pub(super) fn popup_closed(port: &Port) {
    let open = PEOPLE.with_borrow_mut(|people| {
        people.popups.retain(|popup| popup != port);
        people.popups.len()
    });
    drive(Input::Popups { open });
}

/// `{ask: number, action: PersonAction}` from a popup.
pub(super) fn popup_asks(port: Port, message: &JsValue) {
    let field = |name: &str| js_sys::Reflect::get(message, &name.into()).unwrap_or_default();
    begin(&field("action"), Asker::Popup(port, field("ask")));
}

/// A method of the façade was called.
pub(super) fn console_asks(action: &JsValue, resolve: Settle, reject: Settle) {
    begin(action, Asker::Console(resolve, reject));
}

fn begin(action: &JsValue, asker: Asker) {
    match PersonAction::read(&convert::to_json(action)) {
        Ok(action) => {
            let ask = PEOPLE.with_borrow_mut(|people| people.note(asker));
            drive(Input::Person { ask, action });
        }
        Err(error) => asker.refuse(&error.to_string()),
    }
}

impl People {
    fn note(&mut self, asker: Asker) -> AskId {
        if self.asks.len() == ASKS_MAX
            && let Some((_, oldest)) = self.asks.pop_first()
        {
            oldest.refuse("too many questions are open");
        }
        let ask = AskId(self.next);
        self.next += 1;
        self.asks.insert(ask, asker);
        ask
    }
}

/// The core's answer, to whoever asked.
pub(super) fn reply(ask: AskId, outcome: Result<Value, WireError>) {
    let asker = PEOPLE.with_borrow_mut(|people| people.asks.remove(&ask));
    match (asker, outcome) {
        (Some(asker), Ok(value)) => asker.answer(&value),
        (Some(asker), Err(error)) => asker.refuse(&format!("{} {}", error.message, error.advice)),
        (None, Ok(_) | Err(_)) => {}
    }
}

impl Asker {
    fn answer(&self, value: &Value) {
        match self {
            Self::Popup(port, number) => post(port, &answer(number, None)),
            Self::Console(resolve, _) => resolve.call(&convert::to_js(value)),
        }
    }

    fn refuse(&self, why: &str) {
        match self {
            Self::Popup(port, number) => post(port, &answer(number, Some(why))),
            Self::Console(_, reject) => reject.call(&js_sys::Error::new(why.trim())),
        }
    }
}

/// What a popup hears of its question.
#[derive(Serialize)]
struct Answered<'a> {
    /// The number that it gave it: any value, handed back as it came.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    answer: JsValue,
    /// Why it is not done; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

fn answer(number: &JsValue, error: Option<&str>) -> JsValue {
    let answered = Answered {
        answer: number.clone(),
        error: error.map(str::trim),
    };
    // A text and what is handed back as it is: there is nothing that could not be said.
    serde_wasm_bindgen::to_value(&answered).unwrap_or_default()
}

/// Sends the view to every open popup.
pub(super) fn show(view: &View) {
    let message = convert::to_js(&json!({"view": view}));
    PEOPLE.with_borrow(|people| {
        for port in &people.popups {
            post(port, &message);
        }
    });
}

fn post(port: &Port, message: &JsValue) {
    // Thrown when the popup has just closed; its disconnect follows.
    let _ = port.post_message(message);
}
