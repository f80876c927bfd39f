//! The pairing proof as the page's section *The proof* describes it.

use anyhow::{Context, Result};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::io::Read;

/// What `hello` says, and the port that it was said to.
pub(crate) struct Hand {
    pub(crate) port: u16,
    pub(crate) nonce: String,
    pub(crate) extension: String,
    pub(crate) browser: String,
}

impl Hand {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            nonce: nonce().unwrap_or_default(),
            extension: "pccggijclfpjeomnfodccfggcnkogjdg".into(),
            browser: "a-browser-made-of-tests".into(),
        }
    }

    pub(crate) fn read(hello: &Value, port: u16) -> Result<Self> {
        let text = |name: &str| {
            hello[name]
                .as_str()
                .map(str::to_owned)
                .context(name.to_owned())
        };
        anyhow::ensure!(
            hello["versions"] == json!(["2.0"]),
            "other versions: {hello}"
        );
        Ok(Self {
            port,
            nonce: text("nonceExt")?,
            extension: text("extensionId")?,
            browser: text("browserId")?,
        })
    }

    pub(crate) fn hello(&self) -> Value {
        json!({"type": "hello", "versions": ["2.0"], "nonceExt": self.nonce,
            "extensionId": self.extension, "browserId": self.browser, "browserName": "tests"})
    }
}

/// 32 random bytes as 64 hex digits.
pub(crate) fn nonce() -> Result<String> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex(&bytes))
}

/// The `mac` of `role`; the server's goes on with what `promised` (its `helloAck`) promises.
pub(crate) fn mac(
    secret: &str,
    role: &str,
    hand: &Hand,
    nonce_srv: &str,
    promised: Option<&Value>,
) -> Result<String> {
    let bytes = secret.as_bytes().chunks(2).map(|pair| {
        let digits = std::str::from_utf8(pair).context("secret")?;
        u8::from_str_radix(digits, 16).context("secret")
    });
    let secret = bytes.collect::<Result<Vec<u8>>>()?;
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, &secret)
        .expand(format!("interlock/pair/1/{role}").as_bytes(), &mut key)
        .map_err(|_| anyhow::anyhow!("32 bytes are never too long"))?;
    let port = hand.port.to_string();
    let mut fields = vec![
        "interlock/pair/1",
        role,
        "127.0.0.1",
        &port,
        "/",
        &hand.nonce,
        nonce_srv,
        &hand.extension,
        &hand.browser,
        "1",
        "2.0",
        "2.0",
    ];
    let limits;
    if let Some(promised) = promised {
        let max = promised["limits"]["frameMax"]
            .as_u64()
            .context("frameMax")?;
        limits = format!("{{\"frameMax\":{max}}}");
        anyhow::ensure!(
            promised["features"] == json!([]),
            "2.0 has no features: {promised}"
        );
        fields.extend(["0", &limits]);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)?;
    for field in fields {
        mac.update(&u32::try_from(field.len())?.to_be_bytes());
        mac.update(field.as_bytes());
    }
    Ok(hex(&mac.finalize().into_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
