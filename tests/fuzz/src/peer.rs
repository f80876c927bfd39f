//! A server as far as the handshake goes, written from `PROTOCOL.md`: it proves itself, and then
//! says nothing of its own accord.

use crate::world::secret;
use protocol::frame::{Frame, HelloAck, Limits};
use protocol::limits::FRAME_MAX;
use protocol::pairing::Transcript;

/// See the module.
pub(crate) struct Peer {
    port: u16,
    said: Option<Transcript>,
}

impl Peer {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, said: None }
    }

    /// What the extension says, and what the handshake answers to it.
    pub(crate) fn hear(&mut self, text: &str) -> Option<String> {
        let frame = Frame::parse(text, FRAME_MAX).expect("the extension says frames");
        let limits = Limits::default();
        let answer = if let Frame::Hello(hello) = frame {
            let (nonce_srv, version) = ("5".repeat(64), "2.0".to_owned());
            self.said = Some(Transcript {
                address: "127.0.0.1".into(),
                port: self.port,
                path: "/".into(),
                nonce_ext: hello.nonce_ext,
                nonce_srv: nonce_srv.clone(),
                extension_id: hello.extension_id,
                browser_id: hello.browser_id.0,
                versions: hello.versions,
                version: version.clone(),
            });
            Frame::Challenge { nonce_srv, version }
        } else if let Frame::Proof { .. } = frame {
            let said = self.said.as_ref()?;
            let mac = said.server_mac(&secret(), &[], &limits.canonical());
            let features = Vec::new();
            Frame::HelloAck(HelloAck {
                mac,
                features,
                limits,
            })
        } else {
            return None;
        };
        Some(answer.to_text())
    }
}
