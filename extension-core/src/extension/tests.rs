//! The whole machine, where its parts alone cannot show it. The rest is played in `tests/sim`.

use crate::effect::{ChromeCall, Effect};
use crate::input::{Boot, Config, TabFacts};
use crate::{Extension, Input};
use protocol::pairing::Secret;
use protocol::ports::PortRange;
use protocol::{Instant, TabId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const START: Instant = Instant(1_000);

fn facts(id: i64) -> TabFacts {
    TabFacts {
        id,
        window_id: 1,
        url: "https://site.example/".into(),
        ..TabFacts::default()
    }
}

fn stored(entities: &[(&str, Value)]) -> BTreeMap<String, Value> {
    let entity = |(key, value): &(&str, Value)| ((*key).to_owned(), json!({"v": 1, "e": value}));
    entities.iter().map(entity).collect()
}

fn boot(stored: BTreeMap<String, Value>, tabs: Vec<TabFacts>) -> Extension {
    let ports = PortRange {
        first: 8765,
        last: 8775,
    };
    let boot = Boot {
        seed: [7; 32],
        extension_id: "pccggijclfpjeomnfodccfggcnkogjdg".into(),
        secret: Some(Secret::new([42; 32])),
        config: Config { ports },
        stored,
        tabs,
        unpacked: true,
    };
    Extension::new(boot, START)
}

fn session() -> Value {
    json!({"alias": "a1", "label": "one", "token": "00", "port": 8765})
}

/// Answers what the machine asks of a Chrome whose debugger is already on every tab, until it is
/// quiet; gives the tabs that it is on in the end.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a Chrome of three calls; every other one is answered alike"
)]
fn play(extension: &mut Extension, attached: &mut Vec<TabId>) {
    let mut now = START;
    while let Some(effect) = extension.poll_effect() {
        let Effect::Ask { request, call } = effect else {
            continue;
        };
        let outcome = match call {
            ChromeCall::GetTab { tab } => Ok(json!(facts(tab.0.into()))),
            ChromeCall::Attach { tab } if attached.contains(&tab) => {
                let message =
                    format!("Another debugger is already attached to the tab with id: {tab}.");
                Err(crate::input::ChromeError { message })
            }
            ChromeCall::Attach { tab } => {
                attached.push(tab);
                Ok(Value::Null)
            }
            ChromeCall::Detach { tab } => {
                attached.retain(|other| *other != tab);
                Ok(Value::Null)
            }
            other => {
                drop(other);
                Ok(json!({}))
            }
        };
        now = Instant(now.0 + 1);
        extension.handle_input(Input::Done { request, outcome }, now);
    }
}

#[test]
fn the_debugger_of_a_former_life_leaves_a_tab_whose_session_is_unknown() {
    let stored = stored(&[("tab/7", json!({"owner": {"session": ["gone", "made"]}}))]);
    let mut extension = boot(stored, vec![facts(7)]);
    let mut attached = vec![TabId(7)];
    play(&mut extension, &mut attached);
    assert_eq!(attached, []);
    assert!(extension.census().is_empty(), "{:?}", extension.census());
}

#[test]
fn no_debugger_comes_to_a_free_tab_in_the_next_life() {
    let stored = stored(&[
        ("session/s", session()),
        ("tab/7", json!({"owner": {"free": "s"}})),
    ]);
    let mut extension = boot(stored, vec![facts(7)]);
    let mut attached = Vec::new();
    play(&mut extension, &mut attached);
    assert_eq!(attached, []);
}
