//! A server that proves nothing, on a port where the user lets it in, beside one that does.

use super::*;
use crate::PersonAction;
use crate::dialect::Dialect;
use crate::input::AskId;
use protocol::frame::Outcome;

const NAME: &str = "27262-a333";
const PORT: u16 = 8766;

/// The machine with an unpaired server, and what was said to that one.
struct Scene {
    peer: Peer,
    socket: SocketId,
    said: Vec<Value>,
    writes: Vec<WriteId>,
    replies: Vec<Result<Value, protocol::WireError>>,
}

impl Scene {
    /// `allowed`: the user lets one in on [`PORT`].
    fn with(mut extension: Extension, allowed: bool) -> Self {
        if allowed {
            extension.discovery.allow_unpaired([PORT].into());
        }
        let peer = Peer::connected_with(Limits::default(), extension);
        let mut scene = Self {
            peer,
            socket: SocketId(0),
            said: Vec::new(),
            writes: Vec::new(),
            replies: Vec::new(),
        };
        scene.peer.write();
        scene
    }

    fn new() -> Self {
        Self::with(boot(BTreeMap::new(), vec![facts(7)]), true)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a world of five effects; the others change nothing that is asserted"
    )]
    fn tell(&mut self, input: Input) {
        let peer = &mut self.peer;
        peer.extension.handle_input(input, peer.now);
        while let Some(effect) = peer.extension.poll_effect() {
            match effect {
                Effect::Dial {
                    socket, dialect, ..
                } => {
                    assert_eq!(dialect, Dialect::V1);
                    self.socket = socket;
                }
                Effect::Send { socket, text } if socket == self.socket => {
                    self.said.push(serde_json::from_str(&text).unwrap());
                }
                Effect::Write { write, set, .. } => {
                    self.writes.push(write);
                    peer.stored.extend(set);
                }
                Effect::Reply { outcome, .. } => self.replies.push(outcome),
                _ => {}
            }
        }
    }

    fn write(&mut self) {
        self.peer.write();
        while let Some(write) = self.writes.pop() {
            self.tell(Input::Written { write, ok: true });
        }
    }

    /// A service that is not one of ours answers at [`PORT`], and is spoken to.
    fn comes(&mut self, name: &str) {
        self.peer.extension.discovery.connect_now(PORT, START);
        let answer = ProbeAnswer::Foreign;
        self.tell(Input::Probed { port: PORT, answer });
        let socket = self.socket;
        self.tell(Input::SocketOpened { socket });
        self.says(&json!({"type": "helloAck", "instanceId": name, "port": PORT}));
    }

    fn says(&mut self, frame: &Value) {
        let (socket, text) = (self.socket, frame.to_string());
        self.tell(Input::SocketText { socket, text });
    }

    fn leaves(&mut self) {
        let socket = self.socket;
        self.tell(Input::SocketClosed { socket, code: 1006 });
    }

    fn person(&mut self, action: PersonAction) -> Result<Value, protocol::WireError> {
        let ask = AskId(9);
        self.tell(Input::Person { ask, action });
        self.write();
        self.replies.pop().expect("an answer")
    }

    /// The reply to `id`.
    fn reply(&self, id: u64) -> Option<&Value> {
        self.said.iter().find(|said| said["id"] == id)
    }

    fn is_refused(&self, id: u64) -> bool {
        let error = self.reply(id).and_then(|reply| reply["error"].as_str());
        error.is_some_and(|error| error.starts_with("policy_refused"))
    }

    /// Sessions of unpaired servers.
    fn strangers(&self) -> Vec<SessionId> {
        let all = self.peer.extension.sessions.iter();
        let strangers = all.filter(|(_, session)| session.unpaired);
        strangers.map(|(id, _)| id.clone()).collect()
    }
}

#[test]
fn without_the_users_word_nobody_unpaired_is_dialled() {
    let mut scene = Scene::with(boot(BTreeMap::new(), vec![facts(7)]), false);
    scene.comes(NAME);
    assert_eq!(scene.said, [] as [Value; 0]);
    assert!(scene.strangers().is_empty());
}

#[test]
fn what_it_asks_before_its_session_is_on_disk_is_answered_then() {
    let mut scene = Scene::new();
    scene.comes(NAME);
    for id in 0..3 {
        scene.says(&json!({"id": id, "type": "tabs.list", "payload": {}}));
    }
    assert!(scene.reply(0).is_none());
    scene.write();
    for id in 0..3 {
        let reply = json!({"id": id, "type": "tabs.list", "payload": {"tabs": []}});
        assert_eq!(scene.reply(id), Some(&reply));
    }
    scene.says(&json!({"id": 3, "type": "debugger.detach"}));
    assert!(scene.reply(3).is_some());
    // What it may ask that early is bounded.
    scene.leaves();
    scene.comes(NAME);
    for id in 100..200 {
        scene.says(&json!({"id": id, "type": "debugger.detach"}));
    }
    assert!(
        scene.reply(164).unwrap()["error"]
            .as_str()
            .unwrap()
            .starts_with("limit_reached")
    );
}

#[test]
fn it_works_in_no_tab_that_it_has_not_made_and_none_is_lent_to_it() {
    let mut scene = Scene::new();
    scene.comes(NAME);
    scene.write();
    let [stranger] = &scene.strangers()[..] else {
        panic!("one stranger");
    };
    let stranger = stranger.clone();
    // Of the person, of nobody, and of an agent.
    let give = |session_id| PersonAction::Give {
        tab_id: TabId(7),
        session_id,
    };
    for owned in [false, true] {
        if owned {
            scene.person(give(id())).unwrap();
        }
        for (nth, ask) in [
            json!({"type": "tabs.select", "payload": {"tabId": 7}}),
            json!({"type": "tabs.close", "payload": {"tabId": 7}}),
            json!({"type": "browser_navigate", "payload": {"url": "http://a/", "tabId": "7"}}),
            json!({"type": "browser_screenshot", "payload": {"tabId": 7}}),
        ]
        .into_iter()
        .enumerate()
        {
            let number = nth as u64 + if owned { 10 } else { 0 };
            let mut ask = ask;
            ask["id"] = json!(number);
            scene.says(&ask);
            scene.write();
            assert!(scene.is_refused(number), "{ask}: {:?}", scene.reply(number));
        }
    }
    let refused = scene.person(give(stranger.clone())).unwrap_err();
    assert_eq!(refused.code, ErrorCode::PolicyRefused);
    let alias = scene.peer.extension.sessions.get(&stranger).unwrap();
    let alias = alias.peer.alias.clone();
    let to = json!({"action": "handoff", "tabId": 7, "to": alias});
    scene.peer.command("gift", "browser_tabs", to);
    assert_eq!(scene.peer.code("gift"), Some(ErrorCode::PolicyRefused));
    assert_eq!(scene.peer.extension.tabs.owned_by(&id()), [TabId(7)]);
}

#[test]
fn people_see_that_it_is_not_paired() {
    let mut scene = Scene::new();
    scene.comes(NAME);
    scene.write();
    let view = scene.peer.extension.view(START);
    let unpaired: Vec<bool> = view.instances.iter().map(|one| one.unpaired).collect();
    assert_eq!(unpaired, [false, true]);
    // Its own words would be read as ours.
    let label = &view.instances[1].label;
    assert!(
        label.contains("unpaired on port") && !label.contains(NAME),
        "{label}"
    );
}

#[test]
fn it_comes_back_to_its_session_by_port_and_name_and_another_name_ends_it() {
    let mut scene = Scene::new();
    scene.comes(NAME);
    scene.write();
    let first = scene.strangers();
    scene.leaves();
    scene.comes(NAME);
    scene.write();
    assert_eq!(scene.strangers(), first);
    scene.leaves();
    assert_eq!(scene.strangers(), first, "it may come back");
    scene.comes("another");
    scene.write();
    let second = scene.strangers();
    assert!(second.len() == 1 && second != first, "{second:?}");
}

#[test]
fn no_session_of_a_proven_server_is_its_own_whatever_it_is_called_nor_the_other_way_round() {
    let digest = |text: &str| {
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        protocol::pairing::to_hex(&digest)
    };
    let name = format!("session/v1-{PORT}-{}", &digest(NAME)[..16]);
    // As if a server that has proven itself had chosen that name and token.
    let paired = json!({"alias": "a9", "label": "x", "token": digest(NAME), "port": PORT});
    let mut scene = Scene::with(boot(stored(&[(&name, paired)]), vec![facts(7)]), true);
    scene.comes(NAME);
    scene.write();
    scene.says(&json!({"id": 1, "type": "tabs.list"}));
    assert!(scene.strangers().is_empty());
    assert_eq!(scene.reply(1), None);
    let mut stranger = json!({"alias": "a8", "label": "x", "token": digest("t"), "port": PORT});
    stranger["unpaired"] = json!(true);
    let mut peer = Peer::connected_with(
        Limits::default(),
        boot(stored(&[("session/s", stranger)]), vec![facts(7)]),
    );
    peer.write();
    let refused = |frame: &Frame| matches!(frame, Frame::SessionOpened(opened) if opened.outcome == Outcome::Refused);
    assert!(peer.heard.iter().any(refused), "{:?}", peer.heard);
}
