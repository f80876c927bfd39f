//! Which ports servers take, and the answer of a bare port (Multi-Instance Manager document,
//! *Connection Management* and *Port Discovery Loop*).

use crate::SortedSet;
use serde::{Deserialize, Serialize};

/// Where a bare port says what it is: `GET`, answered with [`PROBE_ANSWER`].
pub const PROBE_PATH: &str = "/.well-known/interlock";
/// Every path that a server answers with more than a refusal: its router knows no other, and tests
/// attack each. `*` stands for the id of a session.
pub const PATHS: [(&str, Serves); 4] = [
    ("/", Serves::Extension),
    ("/extension", Serves::Extension),
    ("/session/*", Serves::Extension),
    (PROBE_PATH, Serves::Probe),
];

/// What a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// A paired extension's socket.
    Extension,
    /// Whoever asks what listens here.
    Probe,
}

/// The whole answer of a server: a hint that grants nothing, since anyone may ask.
pub const PROBE_ANSWER: &str = r#"{"interlock":1}"#;
/// The answer of a daemon.
pub const PROBE_ANSWER_DAEMON: &str = r#"{"interlock":1,"daemon":true}"#;
/// How many ports after the range servers may overflow into (8776–8864 by default).
pub const OVERFLOW: u16 = 89;
/// The longest port list that is listened to; a range and its overflow hold 100.
pub const PORT_LIST_MAX: usize = 256;

/// Ports on which an unpaired server may be let in: a user who runs more of the original's servers
/// than it has ports does not exist.
pub const UNPAIRED_MAX: usize = 16;

/// The ports that servers take first; the overflow lies behind `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port before the overflow.
    pub last: u16,
}

impl Default for PortRange {
    /// 8765–8775, the seed's range.
    fn default() -> Self {
        Self {
            first: 8765,
            last: 8775,
        }
    }
}

impl PortRange {
    /// Accepts `first ≤ last` with room for nothing below 1024.
    #[must_use]
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last && first >= 1024).then_some(Self { first, last })
    }

    /// Reads `A-B`, or a single port.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Self::new(first.trim().parse().ok()?, last.trim().parse().ok()?)
    }

    /// The highest port of the overflow.
    #[must_use]
    pub fn overflow_last(self) -> u16 {
        self.last.saturating_add(OVERFLOW)
    }

    /// Whether a server may sit there: range or overflow.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.overflow_last()).contains(&port)
    }

    /// The ports in the order in which servers take them.
    pub fn ports(self) -> impl Iterator<Item = u16> {
        self.first..=self.overflow_last()
    }

    /// Cleans a list that somebody sent: integers in range and overflow, no doubles, ascending,
    /// at most [`PORT_LIST_MAX`]; whatever else stands in it is left out.
    #[must_use]
    pub fn sanitise(self, list: &[serde_json::Value]) -> Vec<u16> {
        let ports: SortedSet<u16> = list
            .iter()
            .take(PORT_LIST_MAX)
            .filter_map(serde_json::Value::as_u64)
            .filter_map(|port| u16::try_from(port).ok())
            .filter(|port| self.contains(*port))
            .collect();
        ports.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_range_reads_as_people_write_it() {
        assert_eq!(PortRange::parse("8765-8775"), Some(PortRange::default()));
        assert_eq!(PortRange::parse("9000"), PortRange::new(9000, 9000));
        for bad in ["", "9-1", "80-90", "a-b", "70000-70001", "9000-8000"] {
            assert_eq!(PortRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_port_list_is_cleaned_before_anyone_believes_it() {
        let list = json!([
            8767, 8765, 8765, "8766", 80, -1, 8766.5, null, 9999, 8864, 70000
        ]);
        let list = list.as_array().unwrap();
        assert_eq!(PortRange::default().sanitise(list), vec![8765, 8767, 8864]);
    }

    #[test]
    fn the_overflow_ends_at_the_last_port_there_is() {
        let range = PortRange::new(65_500, 65_530).unwrap();
        assert_eq!(range.overflow_last(), 65_535);
    }
}
