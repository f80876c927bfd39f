//! All randomness of a server, from one seed: nonces, ids, tokens.

use protocol::pairing::to_hex;
use protocol::{SessionId, WireId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Gives the same sequence for the same seed.
#[derive(Debug)]
pub(crate) struct Random(ChaCha20Rng);

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// 64 hex digits: a nonce or a resume token.
    pub(crate) fn hex32(&mut self) -> String {
        let mut bytes = [0_u8; 32];
        self.0.fill_bytes(&mut bytes);
        to_hex(&bytes)
    }

    pub(crate) fn wire_id(&mut self) -> WireId {
        let text = self.uuid();
        WireId::new(text).unwrap_or_else(|_| unreachable!("a UUID is a wire id"))
    }

    pub(crate) fn session_id(&mut self) -> SessionId {
        let text = self.uuid();
        SessionId::new(text).unwrap_or_else(|_| unreachable!("a UUID is a session id"))
    }

    /// A UUID of version 4 (RFC 9562, 5.4).
    fn uuid(&mut self) -> String {
        let mut bytes = [0_u8; 16];
        self.0.fill_bytes(&mut bytes);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (a, b, c, d, e) = (
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        );
        format!("{a}-{b}-{c}-{d}-{e}")
    }
}

/// A name and a token for a session that never was: of the system's randomness where the identity
/// is made outside the machine.
#[must_use]
pub fn fresh_identity(seed: [u8; 32]) -> crate::Identity {
    let mut random = Random::new(seed);
    crate::Identity {
        session_id: random.session_id(),
        resume_token: random.hex32(),
        browser: None,
        has_tabs: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_four_and_repeat_with_the_seed() {
        let (mut one, mut two) = (Random::new([3; 32]), Random::new([3; 32]));
        let id = one.wire_id();
        assert_eq!(id, two.wire_id());
        assert_ne!(id, one.wire_id());
        let text = id.as_str();
        assert_eq!(text.len(), 36);
        assert_eq!(&text[14..15], "4");
        assert!("89ab".contains(&text[19..20]));
    }
}
