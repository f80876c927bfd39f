//! Stands in for the core until it is put together: the same names, no decisions.

use crate::effect::{Badge, ChromeCall, Effect};
use crate::input::{Boot, Input, RequestId, SocketId};
use crate::view::View;
use protocol::Instant;
use serde_json::json;
use std::collections::VecDeque;
use std::time::Duration;

pub(super) struct Extension {
    effects: VecDeque<Effect>,
    view: View,
    at: Instant,
}

impl Extension {
    pub(super) fn new(boot: Boot, now: Instant) -> Self {
        let mut effects = VecDeque::new();
        let text = format!(
            "stand-in: {} tabs, {} keys, secret {}, unpacked {}, ports {}-{}",
            boot.tabs.len(),
            boot.stored.len(),
            boot.secret.is_some(),
            boot.unpacked,
            boot.config.ports.first,
            boot.config.ports.last,
        );
        effects.push_back(Effect::Log { text });
        effects.push_back(Effect::EnsureAlarm {
            period: Duration::from_secs(30),
        });
        effects.push_back(Effect::Badge(Badge {
            text: "✗".to_owned(),
            color: "#c0392b",
            title: "Interlock: no instance".to_owned(),
        }));
        Self {
            effects,
            view: View {
                browser: boot.extension_id[..4].to_owned(),
                advice: Some("No server is connected yet.".to_owned()),
                ..View::default()
            },
            at: now + Duration::from_secs(1),
        }
    }

    pub(super) fn handle_input(&mut self, input: Input, now: Instant) {
        self.at = now + Duration::from_secs(1);
        if let Input::Person { ask, action } = &input {
            let outcome = Ok(json!(action));
            self.effects.push_back(Effect::Reply { ask: *ask, outcome });
        }
        if matches!(input, Input::Popups { .. }) {
            let view = Box::new(self.view.clone());
            self.effects.push_back(Effect::Show(view));
        }
        if !matches!(input, Input::Tick) {
            let mut text = format!("{input:?}");
            text.truncate(text.floor_char_boundary(300));
            self.effects.push_back(Effect::Log { text });
        }
        self.stand_in_test(&input);
    }

    pub(super) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        Some((self.at, "stand-in"))
    }

    pub(super) fn view(&self, _now: Instant) -> View {
        self.view.clone()
    }

    fn stand_in_test(&mut self, input: &Input) {
        let Input::Person { action, .. } = input else {
            return;
        };
        let crate::input::PersonAction::KnownPorts { ports } = action else {
            return;
        };
        for port in ports.iter().filter_map(serde_json::Value::as_u64) {
            let port = u16::try_from(port).unwrap_or_default();
            self.effects.push_back(Effect::Probe { port });
            self.effects.push_back(Effect::Dial {
                socket: SocketId(port.into()),
                port,
            });
            self.effects.push_back(Effect::Ask {
                request: RequestId::House(port.into()),
                call: ChromeCall::LastFocusedWindow,
            });
        }
    }
}
