//! Names of things on the wire, each a type of its own so that one is never taken for another.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A public session name: 1 to 128 characters of `[A-Za-z0-9._-]`. It grants nothing by itself;
/// authority comes from the socket that opened it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// The longest session name accepted; seed 001 uses UUIDs (36), people use folder names.
pub const SESSION_ID_MAX: usize = 128;

impl SessionId {
    /// Accepts `text` when it has the shape of a session name.
    pub fn new(text: impl Into<String>) -> Result<Self, BadId> {
        let text = text.into();
        let fits = !text.is_empty() && text.len() <= SESSION_ID_MAX;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if fits && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err(BadId(
                "a session id is 1 to 128 characters of A-Z a-z 0-9 . _ -",
            ))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Identifies one command on the wire. Made by the command's sender (a UUID); echoed by answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WireId(String);

/// Longest wire id accepted: a UUID has 36 characters; other clients may prefix theirs.
pub const WIRE_ID_MAX: usize = 64;

impl WireId {
    /// Accepts 1 to 64 visible ASCII characters.
    pub fn new(text: impl Into<String>) -> Result<Self, BadId> {
        let text = text.into();
        let fits = !text.is_empty() && text.len() <= WIRE_ID_MAX;
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(BadId("a wireId is 1 to 64 visible ASCII characters"))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Chrome's tab id. Chrome counts upwards across restarts and reuses none within a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TabId(pub u32);

/// What other agents call a session: short, unique among the living, for example `a1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Alias(pub String);

/// One browser profile, made once by the extension and kept by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrowserId(pub String);

/// Why a text is no id; the sentence says what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadId(&'static str);

macro_rules! text_id {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}
text_id!(SessionId);
text_id!(WireId);

macro_rules! shown_as_inner {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
shown_as_inner!(SessionId, WireId, TabId, Alias, BrowserId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_plain_and_bounded() {
        assert!(SessionId::new("7f2d946a-1.x_Y").is_ok());
        assert!(SessionId::new("a".repeat(128)).is_ok());
        for bad in ["", "a b", "ä", "a/b", "..\n", &"a".repeat(129)] {
            assert!(SessionId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_bad_id_in_json_is_an_error_and_not_a_panic() {
        assert!(serde_json::from_str::<SessionId>("\"a b\"").is_err());
        assert!(serde_json::from_str::<WireId>("\"\"").is_err());
        assert!(serde_json::from_str::<TabId>("-1").is_err());
    }
}
