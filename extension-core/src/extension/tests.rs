//! The whole machine, where its parts alone cannot show it. The rest is played in `tests/sim`.

mod unpaired;

use crate::effect::{ChromeCall, Effect};
use crate::files::Config;
use crate::input::{Boot, ProbeAnswer, RequestId, SocketId, TabFacts, WriteId};
use crate::{Extension, Input};
use protocol::frame::{BegunState, HelloAck, Limits, LostTab, SessionOpen};
use protocol::pairing::{Secret, Transcript};
use protocol::ports::PortRange;
use protocol::{
    Body, Envelope, ErrorCode, Frame, Instant, SessionId, SortedMap, SortedSet, TabId, WireId,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

mod dialogs;
mod losses;
mod place;
mod reborn;
mod replaced;

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
    boot_under(stored, tabs, SortedSet::new())
}

/// As [`boot`], with debuggers on some of the tabs.
fn boot_under(
    stored: BTreeMap<String, Value>,
    tabs: Vec<TabFacts>,
    attached: SortedSet<TabId>,
) -> Extension {
    boot_in(stored, tabs, attached, SortedMap::new())
}

/// As [`boot_under`], with these groups.
fn boot_in(
    stored: BTreeMap<String, Value>,
    tabs: Vec<TabFacts>,
    attached: SortedSet<TabId>,
    groups: SortedMap<i64, String>,
) -> Extension {
    let ports = PortRange {
        first: 8765,
        last: 8775,
    };
    let boot = Boot {
        seed: [7; 32],
        extension_id: "pccggijclfpjeomnfodccfggcnkogjdg".into(),
        secret: Ok(Secret::new([42; 32])),
        config: Config {
            ports,
            ..Config::default()
        },
        stored,
        tabs,
        groups,
        attached,
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
    extension.handle_input(Input::Tick, START + MEANWHILE);
    assert!(extension.census().is_empty(), "{:?}", extension.census());
}

#[test]
fn the_debugger_of_a_former_life_leaves_a_tab_that_has_no_record() {
    let mut attached = vec![TabId(7)];
    let under = attached.iter().copied().collect();
    let mut extension = boot_under(BTreeMap::new(), vec![facts(7)], under);
    play(&mut extension, &mut attached);
    assert_eq!(attached, []);
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

#[test]
fn a_person_who_looks_has_all_ports_probed_and_a_damaged_pairing_read_again() {
    let mut extension = boot(BTreeMap::new(), Vec::new());
    let now = START + Duration::from_mins(10);
    let looks = |extension: &mut Extension| {
        extension.handle_input(Input::Tick, now);
        while extension.poll_effect().is_some() {}
        extension.handle_input(Input::Popups { open: 1 }, now);
        let effects: Vec<Effect> = std::iter::from_fn(|| extension.poll_effect()).collect();
        let probe = |effect: &&Effect| matches!(effect, Effect::Probe { .. });
        let probes = effects.iter().filter(probe).count();
        (probes, effects.contains(&Effect::ReadSecret))
    };
    let (probes, read) = looks(&mut extension);
    // Those of the round before are still out.
    assert!(probes > 90, "{probes}");
    assert!(!read, "it is paired");
    let secret = Err("pairing.json is damaged".to_owned());
    extension.handle_input(Input::SecretRead { secret }, now);
    assert!(looks(&mut extension).1);
}

/// A server that has shaken hands with the machine, and what was said to it since.
struct Peer {
    extension: Extension,
    socket: SocketId,
    now: Instant,
    heard: Vec<Frame>,
    writes: Vec<WriteId>,
    /// What was last written, by key.
    stored: BTreeMap<String, Value>,
    /// Of the writes that are under way: what they set and remove.
    flying: SortedMap<WriteId, (BTreeMap<String, Value>, Vec<String>)>,
    /// What is on disk.
    disk: BTreeMap<String, Value>,
    replies: usize,
    probes: Vec<u16>,
    /// What Chrome was asked.
    asked: Vec<(RequestId, ChromeCall)>,
    /// The groups that tabs were put into; none is a new one.
    grouped: Vec<Option<i64>>,
}

impl Peer {
    fn connected() -> Self {
        Self::connected_with(Limits::default(), boot(BTreeMap::new(), vec![facts(7)]))
    }

    /// And the person has given its session tab 7.
    fn with_a_tab() -> Self {
        let mut peer = Self::connected();
        peer.write();
        peer.person(crate::PersonAction::Give {
            tab_id: TabId(7),
            session_id: id(),
        });
        peer.write();
        peer
    }

    /// The server takes frames within `limits`.
    fn connected_with(limits: Limits, extension: Extension) -> Self {
        Self::reborn(limits, extension, BTreeMap::new())
    }

    /// As [`Peer::connected_with`], of a machine that has read this disk.
    fn reborn(limits: Limits, extension: Extension, disk: BTreeMap<String, Value>) -> Self {
        let mut peer = Self {
            extension,
            socket: SocketId(0),
            now: START,
            heard: Vec::new(),
            writes: Vec::new(),
            stored: BTreeMap::new(),
            flying: SortedMap::new(),
            disk,
            replies: 0,
            probes: Vec::new(),
            asked: Vec::new(),
            grouped: Vec::new(),
        };
        peer.extension.discovery.connect_now(8765, START);
        let answer = ProbeAnswer::Interlock { daemon: false };
        peer.tell(Input::Probed { port: 8765, answer });
        peer.tell(Input::SocketOpened {
            socket: peer.socket,
        });
        let Some(Frame::Hello(hello)) = peer.heard.pop() else {
            panic!("a hello");
        };
        let secret = Secret::new([42; 32]);
        let nonce_srv = "5".repeat(64);
        let said = Transcript {
            address: "127.0.0.1".into(),
            port: 8765,
            path: "/".into(),
            nonce_ext: hello.nonce_ext,
            nonce_srv: nonce_srv.clone(),
            extension_id: hello.extension_id,
            browser_id: hello.browser_id.0,
            versions: hello.versions,
            version: "2.0".into(),
        };
        peer.say(&Frame::Challenge {
            nonce_srv,
            version: "2.0".into(),
        });
        let mac = said.server_mac(&secret, &[], &limits.canonical());
        peer.say(&Frame::HelloAck(HelloAck {
            mac,
            features: Vec::new(),
            limits,
        }));
        peer.heard.clear();
        peer.write();
        peer.say(&Frame::SessionOpen(SessionOpen {
            session_id: id(),
            resume_token: "t".into(),
            label: "one".into(),
            standby: false,
        }));
        peer
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a world of six effects; the others change nothing that is asserted"
    )]
    fn tell(&mut self, input: Input) {
        self.extension.handle_input(input, self.now);
        while let Some(effect) = self.extension.poll_effect() {
            match effect {
                Effect::Dial { socket, .. } => self.socket = socket,
                Effect::Send { socket, text } if socket == self.socket => {
                    self.heard
                        .push(Frame::parse(&text, protocol::limits::FRAME_MAX).unwrap());
                }
                Effect::Write { write, set, remove } => {
                    self.writes.push(write);
                    self.stored.extend(set.clone());
                    self.flying.insert(write, (set, remove));
                }
                Effect::Reply { .. } => self.replies += 1,
                Effect::Probe { port } => self.probes.push(port),
                Effect::Ask { request, call } => {
                    if let ChromeCall::GroupTab { group, .. } = call {
                        self.grouped.push(group);
                    }
                    self.asked.push((request, call));
                }
                _ => {}
            }
        }
    }

    fn say(&mut self, frame: &Frame) {
        let text = frame.to_text();
        self.tell(Input::SocketText {
            socket: self.socket,
            text,
        });
    }

    /// The disk has everything.
    fn write(&mut self) {
        while let Some(write) = self.writes.pop() {
            self.land(write);
            self.tell(Input::Written { write, ok: true });
        }
    }

    fn land(&mut self, write: WriteId) {
        let (set, remove) = self.flying.remove(&write).unwrap_or_default();
        self.disk.extend(set);
        self.disk.retain(|key, _| !remove.contains(key));
    }

    fn command(&mut self, wire_id: &str, name: &str, payload: Value) {
        let wire_id = WireId::new(wire_id).unwrap();
        self.say(&Frame::Command(Envelope::command(
            wire_id,
            id(),
            name,
            payload,
        )));
    }

    fn person(&mut self, action: crate::PersonAction) {
        let ask = crate::input::AskId(1);
        self.tell(Input::Person { ask, action });
    }

    /// Asks to release tab 7.
    fn release(&mut self, wire_id: &str) {
        let arguments = json!({"action": "release", "tabId": 7});
        self.command(wire_id, "browser_tabs", arguments);
    }

    fn answers(&self) -> Vec<&str> {
        let mut answers = Vec::new();
        for frame in &self.heard {
            if let Frame::Response(envelope) = frame {
                answers.push(envelope.wire_id.as_str());
            }
        }
        answers
    }

    /// The error code of the answer to `wire_id`.
    fn code(&self, wire_id: &str) -> Option<ErrorCode> {
        let answer = self.heard.iter().find_map(|frame| {
            if let Frame::Response(envelope) = frame {
                (envelope.wire_id.as_str() == wire_id).then_some(envelope)
            } else {
                None
            }
        });
        match &answer?.body {
            Body::Error(error) => Some(error.code),
            Body::Data(_) | Body::Payload(_) => None,
        }
    }

    /// The answer that told of lost tabs.
    fn told_by(&self) -> Vec<&str> {
        let mut told = Vec::new();
        for frame in &self.heard {
            if let Frame::Response(envelope) = frame
                && !envelope.lost.is_empty()
            {
                told.push(envelope.wire_id.as_str());
            }
        }
        told
    }

    fn opened(&self) -> bool {
        self.heard
            .iter()
            .any(|frame| matches!(frame, Frame::SessionOpened(_)))
    }
}

fn id() -> SessionId {
    SessionId::new("s").unwrap()
}

#[test]
fn no_answer_overtakes_the_word_that_the_session_is_open() {
    let mut peer = Peer::connected();
    assert!(!peer.opened(), "its token is not on disk yet");
    peer.command(
        "early",
        "browser_tabs",
        json!({"action": "select", "tabId": 99}),
    );
    peer.write();
    assert!(peer.opened());
    assert_eq!(peer.answers(), [] as [&str; 0]);
    peer.command("later", "browser_session", json!({}));
    assert_eq!(peer.answers(), ["later"]);
    // The early one is kept for whoever asks for it again.
    peer.command(
        "early",
        "browser_tabs",
        json!({"action": "select", "tabId": 99}),
    );
    assert_eq!(peer.answers(), ["later", "early"]);
}

/// The two calls of one write land one after the other: a death between them leaves the intent.
#[test]
fn a_tab_that_was_made_is_not_closed_though_its_intent_is_still_there() {
    let marked = || TabFacts {
        url: format!("{}0a", crate::house::MARK),
        ..facts(7)
    };
    let made = json!({"owner": {"session": ["s", "made"]}, "url": ""});
    for (has_owner, closes) in [(true, false), (false, true)] {
        let mut entities = vec![("session/s", stored_session()), ("making/0a", json!("0a"))];
        entities.extend(has_owner.then(|| ("tab/7", made.clone())));
        let mut extension = boot(stored(&entities), vec![marked(), facts(8)]);
        let mut asked = std::iter::from_fn(|| extension.poll_effect());
        let counts = |effect| {
            let call = if let Effect::Ask { call, .. } = effect {
                Some(call)
            } else {
                None
            };
            matches!(call, Some(ChromeCall::WindowTabs { .. }))
        };
        assert_eq!(asked.any(counts), closes, "owned: {has_owner}");
    }
}

#[test]
fn a_record_that_outlived_its_session_takes_no_alias_from_another() {
    let session = |alias| json!({"alias": alias, "label": "one", "token": "00", "port": 8765});
    let entities = stored(&[
        ("session/x", session("a1")),
        ("session/y", session("a1")),
        ("session/z", session("a2")),
    ]);
    let extension = boot(entities, Vec::new());
    let alias = |id| {
        let session = extension.sessions.get(&SessionId::new(id).unwrap());
        session.unwrap().peer.alias.0.clone()
    };
    assert_eq!(["x", "y", "z"].map(alias), ["a1", "a3", "a2"]);
}

/// Tab 7 is the session's, in group 5; what stands in the group beside it decides whose that is.
#[test]
fn a_group_is_taken_over_only_where_all_of_it_is_the_sessions() {
    let grouped = |id| TabFacts {
        group_id: 5,
        ..facts(id)
    };
    let made = || json!({"owner": {"session": ["s", "made"]}, "url": ""});
    for (beside, group) in [(Some(made()), Some(5)), (None, None)] {
        let mut entities = vec![("session/s", stored_session()), ("tab/7", made())];
        entities.extend(beside.map(|record| ("tab/8", record)));
        let extension = boot(stored(&entities), vec![grouped(7), grouped(8), facts(9)]);
        let mut peer = Peer::connected_with(Limits::default(), extension);
        peer.write();
        peer.grouped.clear();
        peer.person(crate::PersonAction::Give {
            tab_id: TabId(9),
            session_id: id(),
        });
        peer.write();
        assert_eq!(peer.grouped, [group]);
    }
}

#[test]
fn without_space_no_tab_is_made() {
    let mut peer = Peer::connected();
    peer.write();
    peer.asked.clear();
    peer.command("w", "browser_tabs", json!({"action": "new"}));
    while let Some(write) = peer.writes.pop() {
        peer.tell(Input::Written { write, ok: false });
    }
    assert_eq!(peer.code("w"), Some(ErrorCode::LimitReached));
    assert!(peer.asked.is_empty(), "a tab was made");
}

#[test]
fn what_could_not_be_written_does_not_begin_and_says_why() {
    let mut peer = Peer::with_a_tab();
    peer.asked.clear();
    for wire_id in ["w1", "w2"] {
        peer.command(wire_id, "browser_evaluate", json!({"function": "() => 1"}));
        while let Some(write) = peer.writes.pop() {
            peer.tell(Input::Written { write, ok: false });
        }
        assert_eq!(peer.code(wire_id), Some(ErrorCode::LimitReached));
        assert!(peer.asked.is_empty(), "{wire_id} has begun");
        peer.heard.clear();
    }
    peer.command("w3", "browser_evaluate", json!({"function": "() => 1"}));
    peer.write();
    assert!(!peer.asked.is_empty(), "there is space again");
}

#[test]
fn while_the_disk_does_not_answer_nothing_acts_and_agents_are_told() {
    let mut peer = Peer::with_a_tab();
    peer.asked.clear();
    peer.command("w1", "browser_evaluate", json!({"function": "() => 1"}));
    for _ in 0..10 {
        assert_eq!(peer.code("w1"), None);
        peer.now = peer.now + Duration::from_secs(1);
        peer.tell(Input::Tick);
    }
    assert_eq!(peer.code("w1"), Some(ErrorCode::LimitReached));
    peer.command("w2", "browser_evaluate", json!({"function": "() => 1"}));
    assert_eq!(peer.code("w2"), Some(ErrorCode::LimitReached), "at once");
    assert!(peer.asked.is_empty(), "neither has begun");
    peer.write();
    assert!(peer.asked.is_empty(), "nor does the first after all");
    peer.command("w3", "browser_evaluate", json!({"function": "() => 1"}));
    peer.write();
    assert!(!peer.asked.is_empty());
}

#[test]
fn a_call_whose_record_cannot_be_read_is_not_asked_for_again() {
    let mut stored = stored(&[("session/s", stored_session())]);
    stored.insert("call/s/w".into(), Value::Null);
    let mut peer = Peer::connected_with(Limits::default(), boot(stored, vec![facts(7)]));
    peer.write();
    let begun = peer.heard.iter().find_map(|frame| {
        if let Frame::SessionOpened(opened) = frame {
            Some(opened.begun.clone())
        } else {
            None
        }
    });
    let begun = begun.unwrap();
    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0].wire_id.as_str(), "w");
    assert!(matches!(begun[0].state, BegunState::Unknown { .. }));
}

#[test]
fn a_worker_that_chrome_is_stopping_answers_nothing_its_next_life_does() {
    let mut peer = Peer::with_a_tab();
    peer.command("w", "browser_evaluate", json!({"function": "() => 1"}));
    peer.write();
    let (asked, _) = peer.asked.pop().unwrap();
    let message = "No SW".to_owned();
    let outcome = Err(crate::input::ChromeError { message });
    peer.tell(Input::Done {
        request: asked,
        outcome,
    });
    assert_eq!(peer.code("w"), None);
}

#[test]
fn what_changes_hands_is_answered_when_it_is_on_disk() {
    let mut peer = Peer::connected();
    peer.write();
    let given = peer.extension.tabs.give(TabId(7), &id(), START);
    given.unwrap();
    peer.tell(Input::Tick);
    peer.command(
        "r",
        "browser_tabs",
        json!({"action": "release", "tabId": 7}),
    );
    assert_eq!(peer.answers(), [] as [&str; 0]);
    peer.write();
    assert_eq!(peer.answers(), ["r"]);
    peer.command(
        "r",
        "browser_tabs",
        json!({"action": "release", "tabId": 7}),
    );
    assert_eq!(
        peer.answers(),
        ["r", "r"],
        "the same answer, not another release"
    );
}

#[test]
fn a_session_that_is_ended_has_its_calls_answered_and_its_socket_closed() {
    let mut peer = Peer::connected();
    peer.write();
    peer.command("w", "browser_snapshot", json!({}));
    let (ask, action) = (crate::input::AskId(1), crate::PersonAction::CleanUp);
    peer.tell(Input::Person { ask, action });
    assert_eq!(peer.answers(), ["w"]);
    assert_eq!(peer.extension.links.open().count(), 0);
    peer.write();
    assert_eq!(peer.extension.census().sessions, 0);
}

#[test]
fn a_dialog_that_is_being_handled_is_answered_when_its_session_ends() {
    let mut peer = Peer::connected();
    peer.write();
    peer.extension.tabs.give(TabId(7), &id(), START).unwrap();
    peer.tell(Input::Tick);
    peer.write();
    let accept = json!({"accept": true});
    peer.command("w", "browser_handle_dialog", accept);
    assert_eq!(peer.answers(), [] as [&str; 0], "begun is not on disk");
    let (ask, action) = (crate::input::AskId(1), crate::PersonAction::CleanUp);
    peer.tell(Input::Person { ask, action });
    assert_eq!(peer.code("w"), Some(ErrorCode::SessionEnded));
}

#[test]
fn an_answer_above_the_peers_limit_is_an_error_in_its_place() {
    // The least that a server may take, and more tabs than can be told in it.
    let frame_max = protocol::limits::HANDSHAKE_FRAME_MAX;
    let mut peer = Peer::connected_with(
        Limits { frame_max },
        boot(BTreeMap::new(), (1..=60).map(facts).collect()),
    );
    peer.write();
    for tab in 1..=60 {
        peer.extension.tabs.give(TabId(tab), &id(), START).unwrap();
    }
    peer.tell(Input::Tick);
    peer.write();
    peer.command("w", "browser_tabs", json!({"action": "list"}));
    assert_eq!(peer.code("w"), Some(ErrorCode::ResultTooLarge));
}

#[test]
fn a_session_that_was_not_opened_on_this_socket_is_unknown() {
    let mut peer = Peer::connected();
    peer.write();
    let (wire_id, other) = (WireId::new("w"), SessionId::new("other"));
    let payload = json!({});
    let command = Envelope::command(wire_id.unwrap(), other.unwrap(), "browser_session", payload);
    peer.say(&Frame::Command(command));
    assert_eq!(peer.code("w"), Some(ErrorCode::SessionUnknown));
}

#[test]
fn an_answer_that_concerns_no_tab_names_none() {
    let mut peer = Peer::connected();
    peer.write();
    peer.command("s", "browser_session", json!({}));
    peer.command("l", "browser_tabs", json!({"action": "list"}));
    assert_eq!(peer.answers(), ["s", "l"]);
    for frame in &peer.heard {
        if let Frame::Response(envelope) = frame {
            assert_eq!(envelope.tab_id, None);
        }
    }
}

#[test]
fn what_a_person_does_is_answered_when_it_is_on_disk() {
    use crate::PersonAction as Do;
    let mut peer = Peer::connected();
    peer.write();
    let (tab_id, session_id) = (TabId(7), id());
    for (number, action) in [
        Do::Give {
            tab_id,
            session_id: session_id.clone(),
        },
        Do::Message {
            session_id: session_id.clone(),
            message: json!({"type": "browser_tabs", "payload": {"action": "release"}}),
        },
        Do::Give { tab_id, session_id },
        Do::TakeBack { tab_id },
        Do::Pause,
        Do::Resume,
        Do::Name { name: "new".into() },
        Do::CleanUp,
    ]
    .into_iter()
    .enumerate()
    {
        let what = format!("{action:?}");
        peer.person(action);
        assert_eq!(peer.replies, number, "{what}");
        peer.write();
        assert_eq!(peer.replies, number + 1, "{what}");
    }
}

#[test]
fn what_stores_nothing_and_what_is_refused_is_answered_at_once() {
    let mut peer = Peer::connected();
    peer.write();
    peer.person(crate::PersonAction::Scan);
    peer.person(crate::PersonAction::TakeBack { tab_id: TabId(99) });
    assert_eq!(peer.replies, 2);
}

#[test]
fn a_listener_that_a_server_moved_to_is_looked_for_at_once() {
    use protocol::frame::{Goodbye, GoodbyeReason};
    for (moved_to, asked) in [(8770, true), (8787, true), (22, false), (9_000, false)] {
        let mut peer = Peer::connected();
        peer.write();
        let (port, answer) = (moved_to, ProbeAnswer::Refused);
        peer.tell(Input::Probed { port, answer });
        for _ in 0..5 {
            // Whatever failed there before was somebody else.
            peer.extension.discovery.track_failure(port, peer.now);
        }
        peer.probes.clear();
        peer.say(&Frame::Goodbye(Goodbye {
            reason: GoodbyeReason::Moved,
            grace_s: None,
            moved_to: Some(moved_to),
        }));
        assert_eq!(peer.probes.contains(&moved_to), asked, "{moved_to}");
        let answer = ProbeAnswer::Interlock { daemon: false };
        let before = peer.socket;
        peer.tell(Input::Probed { port, answer });
        assert_eq!(peer.socket != before, asked, "{moved_to} is dialled");
        assert_eq!(peer.extension.census().sessions, 1, "it may come back");
    }
}

#[test]
fn a_tab_that_is_lost_is_told_by_no_more_than_an_agent_may_read() {
    let record = |url: &str| json!({"owner": {"session": ["s", "made"]}, "url": url});
    let entities = [
        ("session/s", session()),
        ("seat/s", json!({"current": {"tab": 5}, "had": true})),
        ("tab/5", record("https://a.test/x")),
        (
            "tab/6",
            record("chrome-extension://vault/unlock?key=hunter2"),
        ),
    ];
    let mut extension = boot(stored(&entities), vec![facts(7)]);
    extension.handle_input(Input::Tick, START + MEANWHILE);
    let told = |lost: Vec<LostTab>| {
        let urls = lost.into_iter().map(|tab| tab.url);
        urls.collect::<Vec<String>>()
    };
    let expected = ["https://a.test/x", "chrome-extension:"];
    assert_eq!(told(extension.tabs.lost(&id())), expected);
    assert_eq!(told(extension.tabs.take_lost(&id())), expected);
}

/// Until what is not there counts as lost.
const MEANWHILE: Duration = Duration::from_millis(500);

/// The record of the session that every [`Peer`] opens.
fn stored_session() -> Value {
    let token = protocol::pairing::to_hex(&<[u8; 32]>::from(Sha256::digest("t")));
    json!({"alias": "a1", "label": "one", "token": token, "port": 8765})
}

#[test]
fn the_worker_does_something_every_twenty_seconds_so_that_chrome_lets_it_live() {
    let mut extension = boot(BTreeMap::new(), Vec::new());
    let mut now = START;
    let mut awake = Vec::new();
    while now <= START + Duration::from_secs(60) {
        extension.handle_input(Input::Tick, now);
        while let Some(effect) = extension.poll_effect() {
            if let Effect::KeepAwake = effect {
                awake.push(now.since(START).as_secs());
            }
        }
        now = extension.poll_timeout().unwrap().0;
    }
    assert_eq!(awake, [20, 40, 60]);
}
