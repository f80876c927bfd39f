//! The extension's core, whatever its peers, its browser, its disk and its person do.

use crate::world::World;
use extension_core::input::{AskId, BrowserEvent, DetachReason, ProbeAnswer, SocketId, WriteId};
use extension_core::{ChromeError, Input, PersonAction, TabFacts};
use protocol::TabId;
use serde_json::Value;
use sim::chrome::Chrome;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lines that are played of one script.
const LINES_MAX: usize = 64;
/// How long all lines together wait: longer than any grace.
const WAIT_MAX: Duration = Duration::from_secs(400);

/// Plays a script of nonsense, a step a line; a line that is none is passed over. `TAB` is a number
/// or `new` for the newest tab.
///
/// | line | |
/// |---|---|
/// | `say TEXT` | the mad server, which has proven itself, says this |
/// | `leave CODE` | its socket closes |
/// | `wait MS` | time passes |
/// | `lie JSON`, `fail TEXT` | Chrome's next answer is this value, or this error |
/// | `debugger TAB SESSION METHOD JSON` | an event of the debugger; the session may be `-` |
/// | `detached TAB REASON` | it was thrown off |
/// | `created JSON`, `updated JSON` | a tab, as Chrome tells of it |
/// | `removed TAB`, `moved TAB`, `activated TAB WINDOW`, `replaced TAB TAB` | of a tab |
/// | `target TAB TAB URL`, `committed TAB TRANSITION URL` | of a navigation |
/// | `person JSON`, `popups N` | a person asks for this; has so many popups open |
/// | `full` | the disk refuses the next write |
/// | `die` | the worker dies, and a new one wakes |
/// | `probed PORT WORD`, `written N`, `stale N TEXT`, `unpaired`, `alarm` | what nobody asked for |
///
/// Whatever it was: every step keeps the model's invariants, a good call is then served, and when
/// everybody is gone nothing of them is left.
pub fn transitions(bytes: &[u8]) {
    let mut world = World::new(BTreeMap::new(), Chrome::new());
    // The mad server is found and proves itself.
    world.pass(Duration::from_millis(100));
    let text = String::from_utf8_lossy(bytes);
    let mut patience = WAIT_MAX;
    for line in text.lines().take(LINES_MAX) {
        // None is a line that is no step.
        let _ = step(&mut world, &mut patience, line);
    }
    world.come_to_rest();
    world.serve_a_good_call();
    world.leave_and_forget();
}

fn step(world: &mut World, patience: &mut Duration, line: &str) -> Option<()> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "say" => world.mad_says(rest),
        "leave" => world.mad_leaves(rest.parse().ok()?),
        "wait" => {
            let time = Duration::from_millis(rest.parse().ok()?).min(*patience);
            *patience -= time;
            world.pass(time);
        }
        "lie" => world.lies.push_back(Ok(serde_json::from_str(rest).ok()?)),
        "fail" => world.lies.push_back(Err(ChromeError {
            message: rest.to_owned(),
        })),
        "full" => world.disk_full = true,
        "die" => world.die(),
        "person" => {
            let action = PersonAction::read(&serde_json::from_str(rest).ok()?).ok()?;
            let ask = AskId(1);
            world.tell(Input::Person { ask, action });
        }
        "popups" => {
            let open = rest.parse().ok()?;
            world.tell(Input::Popups { open });
        }
        "probed" => {
            let (port, answer) = rest.split_once(' ')?;
            let port = port.parse().ok()?;
            let answer = probe_answer(answer)?;
            world.tell(Input::Probed { port, answer });
        }
        "written" => {
            let write = WriteId(rest.parse().ok()?);
            world.tell(Input::Written { write, ok: true });
        }
        "stale" => {
            let (socket, text) = rest.split_once(' ')?;
            let (socket, text) = (SocketId(socket.parse().ok()?), text.to_owned());
            world.tell(Input::SocketText { socket, text });
        }
        "unpaired" => world.tell(Input::SecretRead {
            secret: Err("pairing.json is missing".into()),
        }),
        "alarm" => world.tell(Input::Alarm),
        _ => {
            let event = event(world, word, rest)?;
            world.tell(Input::Browser(event));
        }
    }
    Some(())
}

fn event(world: &World, word: &str, rest: &str) -> Option<BrowserEvent> {
    let mut words = rest.splitn(4, ' ');
    let mut next = || words.next();
    let tab = |word: Option<&str>| match word? {
        "new" => Some(TabId(world.newest_tab())),
        number => number.parse().ok().map(TabId),
    };
    Some(match word {
        "created" => BrowserEvent::TabCreated(facts(rest)?),
        "updated" => BrowserEvent::TabUpdated(facts(rest)?),
        "removed" => BrowserEvent::TabRemoved { tab: tab(next())? },
        "moved" => BrowserEvent::TabMoved { tab: tab(next())? },
        "activated" => BrowserEvent::TabActivated {
            tab: tab(next())?,
            window: next()?.parse().ok()?,
        },
        "focused" => BrowserEvent::WindowFocused {
            window: next()?.parse().ok()?,
        },
        "replaced" => BrowserEvent::TabReplaced {
            removed: tab(next())?,
            added: tab(next())?,
        },
        "target" => BrowserEvent::NavigationTarget {
            source: tab(next())?,
            tab: tab(next())?,
            url: next()?.to_owned(),
        },
        "committed" => BrowserEvent::Committed {
            tab: tab(next())?,
            transition: next()?.to_owned(),
            url: next()?.to_owned(),
            qualifiers: Vec::new(),
        },
        "detached" => BrowserEvent::Detached {
            tab: tab(next())?,
            reason: match next()? {
                "target_closed" => DetachReason::TargetClosed,
                "canceled_by_user" => DetachReason::CanceledByUser,
                _ => DetachReason::Other,
            },
        },
        "debugger" => BrowserEvent::Debugger {
            tab: tab(next())?,
            session: next().filter(|session| *session != "-").map(str::to_owned),
            method: next()?.to_owned(),
            params: parameters(next())?,
        },
        _ => return None,
    })
}

fn facts(text: &str) -> Option<TabFacts> {
    serde_json::from_str(text).ok()
}

fn parameters(text: Option<&str>) -> Option<Value> {
    text.map_or(Some(Value::Null), |text| serde_json::from_str(text).ok())
}

fn probe_answer(word: &str) -> Option<ProbeAnswer> {
    Some(match word {
        "interlock" => ProbeAnswer::Interlock { daemon: false },
        "daemon" => ProbeAnswer::Interlock { daemon: true },
        "foreign" => ProbeAnswer::Foreign,
        "refused" => ProbeAnswer::Refused,
        "silent" => ProbeAnswer::Silent,
        _ => return None,
    })
}
