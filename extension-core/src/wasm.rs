//! The driver of the core in a browser: turns JavaScript events into inputs and effects into
//! calls. It decides nothing; a line here that wants an `if` about the product belongs in the core.
//!
//! `extension-shell/sw.js` calls the exports below: `start` once, then `handle` for every event.
//! All roads lead into [`drive`], which obeys the law of the crate's documentation: one input,
//! drain the effects, arm the timer, then perform the effects with the core's borrow ended.
//!
//! A panic leaves this instance of the module broken: the hook tells the shell, which starts the
//! next generation, and every callback that still arrives here finds [`is_alive`] false and
//! returns. Nothing lives outside the instance, so a late callback cannot reach a newer one.

mod boot;
mod chrome;
mod clock;
mod convert;
mod events;
mod facade;
mod fetch;
mod log;
mod people;
mod perform;
mod probe;
mod socket;
mod storage;
#[cfg(test)]
mod tests;

use crate::Extension;
use crate::input::{Input, SocketId};
use crate::view::View;
use chrome::Shell;
use clock::Clock;
use gloo_timers::callback::Timeout;
use people::People;
use protocol::{Instant, SortedMap};
use socket::Socket;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use wasm_bindgen::prelude::*;

/// A timer is never set further ahead: `setTimeout` counts milliseconds in 31 bits, and an hour
/// too early is only a tick more.
const TIMER_MAX: Duration = Duration::from_secs(3600);

thread_local! {
    static ALIVE: Cell<bool> = const { Cell::new(false) };
    static SHELL: RefCell<Option<Shell>> = const { RefCell::new(None) };
    static CORE: RefCell<Option<Core>> = const { RefCell::new(None) };
    static SOCKETS: RefCell<SortedMap<SocketId, Socket>> = const { RefCell::new(SortedMap::new()) };
    static PEOPLE: RefCell<People> = const { RefCell::new(People::new()) };
}

struct Core {
    extension: Extension,
    clock: Clock,
    timer: Option<(Instant, Timeout)>,
}

impl Core {
    /// Arms the timer for the core's deadline, unless it is armed for that already.
    fn arm(&mut self, now: Instant) {
        let deadline = self.extension.poll_timeout().map(|(at, _why)| at);
        if deadline == self.timer.as_ref().map(|(at, _)| *at) {
            return;
        }
        self.timer = deadline.map(|at| {
            let wait = at.since(now).min(TIMER_MAX);
            let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
            (at, Timeout::new(millis, tick))
        });
    }
}

fn tick() {
    if !is_alive() {
        return;
    }
    // It has fired: the same deadline must be armed anew, should it have come a little early.
    let fired = CORE.with_borrow_mut(|core| core.as_mut().and_then(|core| core.timer.take()));
    drive(Input::Tick);
    drop(fired);
}

fn with_shell(act: impl FnOnce(&Shell)) {
    SHELL.with_borrow(|shell| {
        if let Some(shell) = shell {
            act(shell);
        }
    });
}

/// False before `start` and after a panic.
fn is_alive() -> bool {
    ALIVE.get() && !has_fallen()
}

/// The shell has given this generation up, for example for a trap that no hook has seen.
fn has_fallen() -> bool {
    SHELL.with_borrow(|shell| shell.as_ref().is_some_and(Shell::fallen))
}

/// One step of the core. Called from the top of a JavaScript task or a resumed promise only, never
/// while effects are being performed.
fn drive(input: Input) {
    if !is_alive() {
        return;
    }
    let effects = CORE.with_borrow_mut(|core| {
        let Some(core) = core else { return Vec::new() };
        let now = core.clock.now();
        core.extension.handle_input(input, now);
        let effects: Vec<_> = std::iter::from_fn(|| core.extension.poll_effect()).collect();
        core.arm(now);
        effects
    });
    for effect in effects {
        perform::perform(effect);
    }
}

/// What the popup draws and the façade shows; empty before the core has started.
fn view() -> View {
    CORE.with_borrow_mut(|core| match core {
        Some(core) if is_alive() => {
            let now = core.clock.now();
            core.extension.view(now)
        }
        Some(_) | None => View::default(),
    })
}

/// Gathers what the core must know and starts it. `shell` is the object that `sw.js` describes.
/// Resolves when events may come; rejects when Chrome does not answer.
#[wasm_bindgen]
pub async fn start(shell: Shell) -> Result<(), JsValue> {
    if let Some(why) = shell.before() {
        log::note(&format!("the core was started anew: {why}"));
    }
    let start_empty = shell.start_empty();
    SHELL.set(Some(shell));
    std::panic::set_hook(Box::new(|panic| {
        ALIVE.set(false);
        with_shell(|shell| shell.failed(&panic.to_string()));
    }));
    let boot = boot::gather(start_empty).await?;
    if has_fallen() {
        return Err(JsValue::from_str(
            "this generation fell while it was starting",
        ));
    }
    let mut clock = Clock::default();
    let now = clock.now();
    let extension = Extension::new(boot, now);
    CORE.set(Some(Core {
        extension,
        clock,
        timer: None,
    }));
    ALIVE.set(true);
    drive(Input::Tick);
    Ok(())
}

/// One event: its name as `chrome` calls it (`tabs.onCreated`), and its arguments.
#[wasm_bindgen]
pub fn handle(name: &str, arguments: &js_sys::Array) {
    if !is_alive() {
        return;
    }
    match name {
        "popup.connect" => people::popup_opened(arguments.get(0).unchecked_into()),
        "popup.disconnect" => people::popup_closed(arguments.get(0).unchecked_ref()),
        "popup.message" => people::popup_asks(arguments.get(0).unchecked_into(), &arguments.get(1)),
        "person" => people::console_asks(
            &arguments.get(0),
            arguments.get(1).unchecked_into(),
            arguments.get(2).unchecked_into(),
        ),
        "alarms.onAlarm" => drive(Input::Alarm),
        _ => match events::browser_event(name, arguments) {
            Some(event) => drive(Input::Browser(event)),
            // For example `runtime.onStartup`: it only had to wake the worker.
            None => log::note(&format!("nothing to do for {name}")),
        },
    }
}

/// One state property of the façade, as it is now: for example `tabLocks`.
#[wasm_bindgen]
pub fn property(name: &str) -> JsValue {
    facade::property(name)
}
