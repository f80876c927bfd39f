//! The mutual proof of the pairing secret (PROTOCOL.md, *Handshake*).
//!
//! Both sides compute an HMAC-SHA-256 under a key of their own role, derived from the secret, over
//! all that was said and where: a relay from one port to another, a reflected, replayed, stripped
//! or role-swapped proof gives another value.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;

/// The 32 secret bytes that extension and servers of one user share. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Wraps 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hex digits, as the files hold them; surrounding white space is ignored.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text.trim()).map(Self)
    }

    /// 64 hex digits, for the two files that hold the secret and nothing else.
    #[must_use]
    pub fn to_hex(&self) -> String {
        to_hex(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `pairing.json` in the extension folder. `Debug` shows nothing of the secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct PairingFile {
    /// Version of this file: 1.
    pub version: u32,
    /// The secret, 64 hex digits.
    pub secret: String,
}

impl fmt::Debug for PairingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairingFile")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Which side speaks; each has a key of its own, so a proof sent back proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The extension, which proves itself first.
    Extension,
    /// The server.
    Server,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Extension => "extension",
            Self::Server => "server",
        }
    }
}

/// All that a proof covers. Address, port and path are those that this side sees for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The listener's address as this side sees it: `127.0.0.1` or `::1`.
    pub address: String,
    /// The listener's port as this side sees it.
    pub port: u16,
    /// The request path, for example `/`.
    pub path: String,
    /// The extension's nonce, 64 hex digits.
    pub nonce_ext: String,
    /// The server's nonce, 64 hex digits.
    pub nonce_srv: String,
    /// The extension's id.
    pub extension_id: String,
    /// The browser profile's id.
    pub browser_id: String,
    /// The versions that the extension offered, in its order.
    pub versions: Vec<String>,
    /// The version that the server chose.
    pub version: String,
}

impl Transcript {
    /// The extension's proof, 64 hex digits.
    #[must_use]
    pub fn extension_mac(&self, secret: &Secret) -> String {
        to_hex(
            &self
                .mac(secret, Role::Extension, &[])
                .finalize()
                .into_bytes()
                .into(),
        )
    }

    /// The server's proof, which also covers what it promises: `features` in its order and
    /// `limits` as compact JSON, both exactly as they stand in `helloAck`.
    #[must_use]
    pub fn server_mac(&self, secret: &Secret, features: &[String], limits: &str) -> String {
        let extra = server_extra(features, limits);
        to_hex(
            &self
                .mac(secret, Role::Server, &extra)
                .finalize()
                .into_bytes()
                .into(),
        )
    }

    /// Checks the extension's proof in constant time.
    #[must_use]
    pub fn extension_proves(&self, secret: &Secret, mac: &str) -> bool {
        verify(self.mac(secret, Role::Extension, &[]), mac)
    }

    /// Checks the server's proof in constant time.
    #[must_use]
    pub fn server_proves(
        &self,
        secret: &Secret,
        features: &[String],
        limits: &str,
        mac: &str,
    ) -> bool {
        verify(
            self.mac(secret, Role::Server, &server_extra(features, limits)),
            mac,
        )
    }

    fn mac(&self, secret: &Secret, role: Role, extra: &[String]) -> Hmac<Sha256> {
        // HMAC pads a key of 32 bytes with zeros to its block of 64; here the block is made at once.
        let mut key = [0_u8; 64];
        let info = format!("interlock/pair/1/{}", role.name());
        let derived = Hkdf::<Sha256>::new(None, &secret.0).expand(info.as_bytes(), &mut key[..32]);
        // 32 bytes are far below HKDF's bound; were it to refuse, no proof would fit.
        debug_assert!(derived.is_ok(), "HKDF gives 32 bytes");
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&key).into());
        let mut field = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            mac.update(&length.to_be_bytes());
            mac.update(bytes);
        };
        field(b"interlock/pair/1");
        field(role.name().as_bytes());
        field(self.address.as_bytes());
        field(self.port.to_string().as_bytes());
        field(self.path.as_bytes());
        field(self.nonce_ext.as_bytes());
        field(self.nonce_srv.as_bytes());
        field(self.extension_id.as_bytes());
        field(self.browser_id.as_bytes());
        field(self.versions.len().to_string().as_bytes());
        for version in &self.versions {
            field(version.as_bytes());
        }
        field(self.version.as_bytes());
        for text in extra {
            field(text.as_bytes());
        }
        mac
    }
}

fn server_extra(features: &[String], limits: &str) -> Vec<String> {
    let mut extra = vec![features.len().to_string()];
    extra.extend_from_slice(features);
    extra.push(limits.to_owned());
    extra
}

fn verify(mac: Hmac<Sha256>, claimed: &str) -> bool {
    from_hex(claimed).is_some_and(|bytes| mac.verify_slice(&bytes).is_ok())
}

/// Lower-case hex of 32 bytes: secrets, nonces, proofs.
#[must_use]
pub fn to_hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads exactly 64 hex digits.
#[must_use]
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0_u8; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript() -> Transcript {
        Transcript {
            address: "127.0.0.1".into(),
            port: 8765,
            path: "/".into(),
            nonce_ext: "1".repeat(64),
            nonce_srv: "2".repeat(64),
            extension_id: crate::EXTENSION_ID.into(),
            browser_id: "b".into(),
            versions: vec!["2.0".into()],
            version: "2.0".into(),
        }
    }

    #[test]
    fn each_side_believes_the_others_proof() {
        let (secret, features) = (Secret::new([7; 32]), vec!["parts".to_owned()]);
        let said = transcript();
        assert!(said.extension_proves(&secret, &said.extension_mac(&secret)));
        let mac = said.server_mac(&secret, &features, "{}");
        assert!(said.server_proves(&secret, &features, "{}", &mac));
    }

    #[test]
    fn a_proof_reflected_or_under_another_secret_is_refused() {
        let secret = Secret::new([7; 32]);
        let said = transcript();
        let mac = said.extension_mac(&secret);
        assert!(!said.server_proves(&secret, &[], "{}", &mac));
        assert!(!said.extension_proves(&Secret::new([8; 32]), &mac));
        assert!(!said.extension_proves(&secret, "") && !said.extension_proves(&secret, "ä"));
    }

    #[test]
    fn every_field_is_covered() {
        let secret = Secret::new([7; 32]);
        let honest = transcript();
        let mac = honest.extension_mac(&secret);
        let changes: [fn(&mut Transcript); 9] = [
            |t| t.address = "::1".into(),
            |t| t.port = 8766,
            |t| t.path = "/extension".into(),
            |t| t.nonce_ext = "3".repeat(64),
            |t| t.nonce_srv = "3".repeat(64),
            |t| t.extension_id.push('x'),
            |t| t.browser_id.push('x'),
            |t| t.versions = vec!["2".into(), ".0".into()],
            |t| t.version = "1.0".into(),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut other = honest.clone();
            change(&mut other);
            assert!(!other.extension_proves(&secret, &mac), "field {index}");
        }
    }

    #[test]
    fn a_stripped_feature_or_limit_breaks_the_servers_proof() {
        let (secret, said) = (Secret::new([7; 32]), transcript());
        let mac = said.server_mac(&secret, &["a".into(), "b".into()], "{\"frameMax\":1}");
        assert!(!said.server_proves(&secret, &["a".into()], "{\"frameMax\":1}", &mac));
        assert!(!said.server_proves(&secret, &["a".into(), "b".into()], "{\"frameMax\":2}", &mac));
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new([7; 32])), "Secret(…)");
        let hex = Secret::new([7; 32]).to_hex();
        let file = PairingFile {
            version: 1,
            secret: hex.clone(),
        };
        assert_eq!(format!("{file:?}"), "PairingFile { version: 1, .. }");
        assert_eq!(
            Secret::from_hex(&format!("{hex}\n")),
            Some(Secret::new([7; 32]))
        );
    }
}
