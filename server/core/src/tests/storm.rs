//! Whatever comes, in whatever order: each call is answered once, acting ones are sent once, and
//! nothing outlives the end.

use super::rig::{Rig, lost};
use crate::{CallId, ConnId, Input};
use protocol::frame::{Begun, BegunState, Envelope, Frame, Outcome, SessionOpened};
use protocol::{Alias, WireId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const RUNS: u64 = 60;
const STEPS: usize = 250;

struct Storm {
    rig: Rig,
    random: ChaCha8Rng,
    conns: Vec<ConnId>,
    calls: u64,
    /// Commands that a browser has seen, oldest first.
    seen: Vec<(ConnId, Envelope)>,
    /// Of acting commands: those whose turn had begun, in some browser.
    begun: BTreeSet<WireId>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        Self {
            rig: Rig::new(),
            random: ChaCha8Rng::seed_from_u64(seed),
            conns: Vec::new(),
            calls: 0,
            seen: Vec::new(),
            begun: BTreeSet::new(),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.next_u32()).unwrap() % bound.max(1)
    }

    fn any_conn(&mut self) -> Option<ConnId> {
        let index = self.below(self.conns.len());
        self.conns.get(index).copied()
    }

    fn step(&mut self) {
        match self.below(12) {
            0 => {
                let browser = ["b1", "b1", "b1", "b2"][self.below(4)];
                let conn = self.rig.pair(browser);
                self.conns.push(conn);
            }
            1 => {
                let conn = self.rig.accept();
                self.conns.push(conn);
            }
            2 => {
                if let Some(conn) = self.any_conn() {
                    self.rig.input(lost(conn));
                }
            }
            3 | 4 => self.open(),
            5 | 6 => {
                self.calls += 1;
                match self.below(2) {
                    0 => self.rig.click(self.calls),
                    _ => self.rig.snapshot(self.calls),
                };
            }
            7 | 8 => self.respond(),
            9 => {
                let call = CallId(self.random.next_u64() % (self.calls + 1));
                self.rig.input(Input::Cancel { call });
            }
            10 => {
                let millis = 1 + self.random.next_u64() % 4_000;
                self.rig.pass(Duration::from_millis(millis));
            }
            _ => {
                if let Some(conn) = self.any_conn() {
                    self.rig.says(conn, &Frame::Pong {});
                }
            }
        }
        self.look();
    }

    /// Some browser answers its last `sessionOpen`, in any way it likes.
    fn open(&mut self) {
        let Some(conn) = self.any_conn() else { return };
        let Some(open) = self.rig.session_open(conn) else {
            return;
        };
        let outcome = match self.below(6) {
            0 => Outcome::New,
            1 => Outcome::Refused,
            2 => Outcome::Standby,
            _ => Outcome::Resumed,
        };
        let mut begun = Vec::new();
        for wire_id in self.begun.clone() {
            let state = match self.below(3) {
                0 => BegunState::Running,
                1 => BegunState::Unknown {
                    url: None,
                    title: None,
                },
                _ => BegunState::Ended {
                    response: Box::new(Envelope::response(
                        wire_id.clone(),
                        open.session_id.clone(),
                        Ok(json!({"success": true})),
                    )),
                },
            };
            begun.push(Begun { wire_id, state });
        }
        let opened = SessionOpened {
            session_id: open.session_id,
            alias: Alias("a1".into()),
            outcome,
            incarnation: None,
            tabs: vec![],
            lost: vec![],
            begun,
        };
        self.rig.says(conn, &Frame::SessionOpened(opened));
    }

    fn respond(&mut self) {
        let index = self.below(self.seen.len());
        if let Some((conn, command)) = self.seen.get(index).cloned() {
            self.rig.respond(conn, &command, json!({"success": true}));
        }
    }

    /// Browsers see their commands; some of these begin.
    fn look(&mut self) {
        let mut kept = Vec::new();
        for (conn, frame) in std::mem::take(&mut self.rig.frames) {
            if let Frame::Command(command) = frame {
                let acts = command.name.as_deref() == Some("browser_click");
                let again = self.begun.contains(&command.wire_id);
                assert!(!(acts && again), "an acting call was sent again");
                if self.below(2) == 0 {
                    self.begun.insert(command.wire_id.clone());
                }
                self.seen.push((conn, command));
            } else if let Frame::SessionOpen(_) = frame {
                // Looked up when some browser answers it.
                kept.push((conn, frame));
            }
        }
        self.rig.frames = kept;
    }

    fn end(mut self) {
        self.rig.input(Input::End);
        self.rig.pass(Duration::from_millis(800));
        assert!(self.rig.exited);
        assert_eq!(self.rig.server.poll_timeout(), None);
        let mut times: BTreeMap<CallId, usize> = BTreeMap::new();
        for (call, _) in &self.rig.answers {
            *times.entry(*call).or_default() += 1;
        }
        for call in 1..=self.calls {
            assert_eq!(times.get(&CallId(call)), Some(&1), "call {call}");
        }
    }
}

#[test]
fn every_call_of_a_storm_is_answered_once_and_no_acting_one_is_sent_twice() {
    for seed in 0..RUNS {
        let mut storm = Storm::new(seed);
        for _ in 0..STEPS {
            storm.step();
        }
        storm.end();
    }
}
