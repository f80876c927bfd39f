//! Both sides of the protocol, written from `protocol/PROTOCOL.md` alone, against the real other
//! side: what the page leaves out would not work here. None of our crates is used.

#[path = "outsider/proof.rs"]
mod proof;
#[path = "outsider/socket.rs"]
mod socket;

use anyhow::{Context, Result};
use e2e::{Agent, Era, PortBlock, Spawn, World, listening_ports, until};
use proof::{Hand, mac};
use serde_json::{Value, json};
use socket::{Socket, accept, dial};
use std::path::PathBuf;

/// A server with an agent and no browser: the tests are its browser.
struct Alone {
    agent: Agent,
    ports: PortBlock,
    state: PathBuf,
}

impl Alone {
    async fn start(name: &str) -> Result<Self> {
        let ports = PortBlock::claim()?;
        let state =
            std::env::temp_dir().join(format!("e2e-outsider-{}-{name}", std::process::id()));
        let arguments = [
            "--state-dir",
            &state.to_string_lossy(),
            "--port-range",
            &ports.range(),
        ];
        let agent = Agent::start(Spawn {
            name: name.to_owned(),
            era: Era::Legacy,
            binary: e2e::binary()?,
            arguments: arguments.map(str::to_owned).to_vec(),
            folder: state.join("client"),
            mark: name.to_owned(),
        })
        .await?;
        let alone = Self {
            agent,
            ports,
            state,
        };
        until("the server to listen", async || {
            let port = alone.ports.first();
            Ok((!listening_ports(port..=port)?.is_empty()).then_some(()))
        })
        .await?;
        Ok(alone)
    }

    fn secret(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.state.join("secret"))?
            .trim()
            .to_owned())
    }

    /// Connects as an extension would, up to the open session: its socket and `sessionOpen`.
    async fn connect(&self) -> Result<(Socket, Value)> {
        let mut socket = dial(self.ports.first()).await?;
        let hand = Hand::new(self.ports.first());
        let acknowledged = shake_as_extension(&mut socket, &hand, &self.secret()?).await?;
        assert_eq!(acknowledged["limits"]["frameMax"], 33_554_432);
        let open = socket.next("sessionOpen").await?;
        let session = open["sessionId"].clone();
        socket
            .send(
                &json!({"type": "sessionOpened", "sessionId": session, "alias": "a1",
                "outcome": "new", "tabs": [], "lost": [], "begun": []}),
            )
            .await?;
        Ok((socket, open))
    }

    async fn end(self) -> Result<()> {
        self.agent.quit().await?;
        Ok(std::fs::remove_dir_all(&self.state)?)
    }
}

/// The four frames from the client's side; gives `helloAck`, whose proof it has checked.
async fn shake_as_extension(socket: &mut Socket, hand: &Hand, secret: &str) -> Result<Value> {
    socket.send(&hand.hello()).await?;
    let challenge = socket.next("challenge").await?;
    assert_eq!(challenge["version"], "2.0");
    let nonce = challenge["nonceSrv"].as_str().context("nonceSrv")?;
    let proof = mac(secret, "extension", hand, nonce, None)?;
    socket.send(&json!({"type": "proof", "mac": proof})).await?;
    let acknowledged = socket.next("helloAck").await?;
    let expected = mac(secret, "server", hand, nonce, Some(&acknowledged))?;
    assert_eq!(
        acknowledged["mac"],
        json!(expected),
        "the server proved nothing"
    );
    Ok(acknowledged)
}

#[test]
fn the_worked_example_of_the_page_comes_out() -> Result<()> {
    let secret: String = (0..32_u8).map(|byte| format!("{byte:02x}")).collect();
    let nonce: String = (0x40..0x60_u8).map(|byte| format!("{byte:02x}")).collect();
    let hand = Hand {
        port: 8765,
        nonce: (0x20..0x40_u8).map(|byte| format!("{byte:02x}")).collect(),
        extension: "pccggijclfpjeomnfodccfggcnkogjdg".into(),
        browser: "0b8e6f0e-3c5f-4f6e-9d2a-7a1b2c3d4e5f".into(),
    };
    assert_eq!(
        mac(&secret, "extension", &hand, &nonce, None)?,
        "bfb4cdbd346b9d87b946ae32002673dcf1eac360a2c7339df61092e287060bb5"
    );
    let promised = json!({"features": [], "limits": {"frameMax": 33_554_432}});
    assert_eq!(
        mac(&secret, "server", &hand, &nonce, Some(&promised))?,
        "33c79ef86a67ad4be7a0a91a57a4a5daf4d6fa00f310aa0536e1d398cceb933f"
    );
    Ok(())
}

#[tokio::test]
async fn a_client_written_from_the_page_serves_an_agent() -> Result<()> {
    let alone = Alone::start("served").await?;
    let (mut socket, open) = alone.connect().await?;
    assert!(
        open["label"]
            .as_str()
            .is_some_and(|label| label.contains("served")),
        "{open}"
    );

    socket.send(&json!({"type": "portListRequest"})).await?;
    let list = socket.next("portListResponse").await?;
    assert_eq!(list["ports"], json!([alone.ports.first()]));
    socket.send(&json!({"type": "ping"})).await?;
    socket.next("pong").await?;

    // A call that waits, is told so, and is answered.
    let arguments = json!({"tabId": 104, "function": "() => 1", "wait": 20});
    let mut call = alone.agent.begin("browser_evaluate", arguments).await?;
    let command = socket.next("command").await?;
    assert_eq!(command["name"], "browser_evaluate");
    assert_eq!(
        (&command["tabId"], &command["waitMs"]),
        (&json!(104), &json!(20_000))
    );
    assert_eq!(command["payload"]["function"], "() => 1");
    let (wire, session) = (command["wireId"].clone(), command["sessionId"].clone());
    assert_eq!(session, open["sessionId"]);
    socket
        .send(
            &json!({"type": "event", "wireId": wire, "sessionId": session, "name": "progress",
            "tabId": 104, "payload": {"position": 2, "leftS": 18,
            "owner": {"alias": "a9", "label": "somebody"}}}),
        )
        .await?;
    let progress = call.until_progress("position 2").await?;
    assert!(progress.message.contains("somebody"), "{progress:?}");
    socket
        .send(
            &json!({"type": "response", "wireId": wire, "sessionId": session, "tabId": 104,
            "data": {"success": true, "url": "http://a.test/", "title": "A", "value": "read it"}}),
        )
        .await?;
    let answer = call.answer().await?;
    assert!(
        answer.is_ok() && answer.text.contains("read it"),
        "{answer}"
    );
    assert_eq!(answer.tab(), Some(104));

    // An error comes home with its code; a cancel goes out with the call's own number.
    let call = alone
        .agent
        .begin("browser_snapshot", json!({"tabId": 104, "wait": 0}))
        .await?;
    let command = socket.next("command").await?;
    socket
        .send(
            &json!({"type": "response", "wireId": command["wireId"], "sessionId": session,
            "error": {"code": "tab_owned", "message": "It is taken.", "advice": "Wait."}}),
        )
        .await?;
    let answer = call.answer().await?;
    assert!(answer.failed_with("tab_owned"), "{answer}");
    let call = alone.agent.begin("browser_snapshot", json!({})).await?;
    let command = socket.next("command").await?;
    call.cancel().await?;
    let cancel = socket.next("cancel").await?;
    assert_eq!(cancel["wireId"], command["wireId"]);
    socket
        .send(
            &json!({"type": "response", "wireId": command["wireId"], "sessionId": session,
            "error": {"code": "cancelled", "message": "Cancelled.", "advice": ""}}),
        )
        .await?;

    let agent = alone.agent.clone();
    let (goodbye, ended) = tokio::join!(socket.next("goodbye"), agent.quit());
    ended?;
    let goodbye = goodbye?;
    assert_eq!(
        (&goodbye["reason"], &goodbye["graceS"]),
        (&json!("ending"), &json!(10))
    );
    alone.end().await
}

#[tokio::test]
async fn a_client_with_another_secret_is_shown_out_without_a_word() -> Result<()> {
    let alone = Alone::start("kept").await?;
    let mut socket = dial(alone.ports.first()).await?;
    let hand = Hand::new(alone.ports.first());
    socket.send(&hand.hello()).await?;
    let challenge = socket.next("challenge").await?;
    let nonce = challenge["nonceSrv"].as_str().context("nonceSrv")?;
    let proof = mac(&"ab".repeat(32), "extension", &hand, nonce, None)?;
    socket.send(&json!({"type": "proof", "mac": proof})).await?;
    assert_eq!(socket.until_closed().await?, (Some(4401), Vec::new()));
    alone.end().await
}

#[tokio::test]
async fn a_proof_for_another_port_is_refused() -> Result<()> {
    let alone = Alone::start("relayed").await?;
    let mut socket = dial(alone.ports.first()).await?;
    // As a relay would: the client believes that it dialled the next port.
    let hand = Hand::new(alone.ports.first() + 1);
    socket.send(&hand.hello()).await?;
    let challenge = socket.next("challenge").await?;
    let nonce = challenge["nonceSrv"].as_str().context("nonceSrv")?;
    let proof = mac(&alone.secret()?, "extension", &hand, nonce, None)?;
    socket.send(&json!({"type": "proof", "mac": proof})).await?;
    assert_eq!(socket.until_closed().await?, (Some(4401), Vec::new()));
    alone.end().await
}

#[tokio::test]
async fn a_server_written_from_the_page_is_found_and_drives_a_tab() -> Result<()> {
    let world = World::start().await?;
    let secret = std::fs::read_to_string(world.state().join("secret"))?
        .trim()
        .to_owned();
    let port = world.ports.first() + 3;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let mut socket = e2e::within("the extension to dial", accept(&listener)).await?;
    drop(listener);

    let hello = socket.next("hello").await?;
    let hand = Hand::read(&hello, port)?;
    assert_eq!(hand.extension, world.browser().extension_id());
    let nonce = proof::nonce()?;
    socket
        .send(&json!({"type": "challenge", "nonceSrv": nonce, "version": "2.0"}))
        .await?;
    let proven = socket.next("proof").await?;
    assert_eq!(
        proven["mac"],
        json!(mac(&secret, "extension", &hand, &nonce, None)?)
    );
    let promised = json!({"features": [], "limits": {"frameMax": 33_554_432}});
    let proof = mac(&secret, "server", &hand, &nonce, Some(&promised))?;
    socket
        .send(&json!({"type": "helloAck", "mac": proof, "features": [],
            "limits": {"frameMax": 33_554_432}}))
        .await?;
    let session = "written-from-the-page";
    socket
        .send(
            &json!({"type": "sessionOpen", "sessionId": session, "resumeToken": "t0k3n",
            "label": "outsider"}),
        )
        .await?;
    let opened = socket.next("sessionOpened").await?;
    assert_eq!(
        (&opened["sessionId"], &opened["outcome"]),
        (&json!(session), &json!("new"))
    );

    socket
        .send(&json!({"type": "createTab", "wireId": "c-1", "sessionId": session}))
        .await?;
    let created = socket.next("response").await?;
    let tab = created["data"]["tabId"]
        .as_i64()
        .with_context(|| created.to_string())?;
    let url = world.site.url("/slow?name=outside");
    socket
        .send(
            &json!({"type": "command", "wireId": "c-2", "originId": "", "sessionId": session,
            "name": "browser_navigate", "tabId": tab, "payload": {"url": url}}),
        )
        .await?;
    let arrived = socket.next("response").await?;
    assert_eq!(
        (&arrived["wireId"], &arrived["originId"]),
        (&json!("c-2"), &json!(""))
    );
    assert_eq!(arrived["data"]["title"], "outside", "{arrived}");
    // The same number once more: not run again, the same answer.
    socket
        .send(
            &json!({"type": "command", "wireId": "c-2", "originId": "", "sessionId": session,
            "name": "browser_navigate", "tabId": tab, "payload": {"url": url}}),
        )
        .await?;
    assert_eq!(socket.next("response").await?["data"], arrived["data"]);
    assert_eq!(world.site.requests_of("/slow").len(), 1);
    // Another's session is an error, not a look-up.
    socket
        .send(
            &json!({"type": "command", "wireId": "c-3", "sessionId": "somebody-else",
            "name": "browser_session", "payload": {}}),
        )
        .await?;
    let refused = socket.next("response").await?;
    assert_eq!(refused["error"]["code"], "session_unknown", "{refused}");
    socket
        .send(&json!({"type": "goodbye", "reason": "final"}))
        .await?;
    let page = world.browser().extension_page("popup.html").await?;
    until("the tab of the ended session to close", async || {
        Ok(page
            .tabs()
            .await?
            .iter()
            .all(|one| one.id != tab)
            .then_some(()))
    })
    .await?;
    drop(socket);
    world.close().await
}
