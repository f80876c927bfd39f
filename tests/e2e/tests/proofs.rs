//! Proofs that are not the peer's own for this very socket: relayed, reflected, replayed, stripped,
//! made for the other role or for other promises. Neither side takes any, nor says a word after it.

#[path = "outsider/proof.rs"]
mod proof;
#[path = "outsider/socket.rs"]
mod socket;

use anyhow::{Context, Result};
use e2e::{World, ports_of};
use proof::{Hand, mac, nonce};
use serde_json::{Value, json};
use socket::{Socket, accept, dial};
use tokio::net::TcpListener;

/// What a server says after a good proof: the largest frame that it takes.
fn promises() -> Value {
    json!({"features": [], "limits": {"frameMax": 33_554_432}})
}

fn secret_of(world: &World) -> Result<String> {
    let text = std::fs::read_to_string(world.state().join("secret"))?;
    Ok(text.trim().to_owned())
}

/// Says `hello` and gives the server's nonce.
async fn challenged(socket: &mut Socket, hello: &Value) -> Result<String> {
    socket.send(hello).await?;
    let challenge = socket.next("challenge").await?;
    let nonce = challenge["nonceSrv"].as_str().context("nonceSrv")?;
    Ok(nonce.to_owned())
}

#[tokio::test]
async fn a_server_takes_no_proof_but_the_clients_own_for_this_socket() -> Result<()> {
    let world = World::start().await?;
    let secret = secret_of(&world)?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    let port = *ports_of(one.pid())?.first().context("no port")?;
    // What an onlooker may have noted of a handshake that went well.
    let noted = Hand::new(port);
    let mut good = dial(port).await?;
    let nonce_srv = challenged(&mut good, &noted.hello()).await?;
    let noted_proof = mac(&secret, "extension", &noted, &nonce_srv, None)?;
    good.send(&json!({"type": "proof", "mac": noted_proof}))
        .await?;
    let noted_ack = good.next("helloAck").await?;

    /// Which frames follow the challenge, given this socket's nonce of the server.
    type Trick<'a> = Box<dyn Fn(&Hand, &str) -> Result<Vec<Value>> + 'a>;
    let proof = |mac: Value| Ok(vec![json!({"type": "proof", "mac": mac})]);
    let all: [(&str, u16, Trick<'_>); 10] = [
        ("replayed", 4401, Box::new(|_, _| proof(json!(noted_proof)))),
        (
            "the server's own, sent back",
            4401,
            Box::new(|_, _| proof(noted_ack["mac"].clone())),
        ),
        (
            "of the other role",
            4401,
            Box::new(|hand, srv| proof(json!(mac(&secret, "server", hand, srv, None)?))),
        ),
        (
            "of the other role, with promises",
            4401,
            Box::new(|hand, srv| {
                proof(json!(mac(&secret, "server", hand, srv, Some(&promises()))?))
            }),
        ),
        (
            "with promises",
            4401,
            Box::new(|hand, srv| {
                proof(json!(mac(
                    &secret,
                    "extension",
                    hand,
                    srv,
                    Some(&promises())
                )?))
            }),
        ),
        (
            "of another browser",
            4401,
            Box::new(|hand, srv| {
                let other = Hand {
                    browser: "somebody-else".into(),
                    extension: hand.extension.clone(),
                    nonce: hand.nonce.clone(),
                    ..*hand
                };
                proof(json!(mac(&secret, "extension", &other, srv, None)?))
            }),
        ),
        (
            "with the nonces exchanged",
            4401,
            Box::new(|hand, srv| {
                let turned = Hand {
                    browser: hand.browser.clone(),
                    extension: hand.extension.clone(),
                    nonce: srv.to_owned(),
                    ..*hand
                };
                let proven = mac(&secret, "extension", &turned, &hand.nonce, None)?;
                proof(json!(proven))
            }),
        ),
        ("empty", 4401, Box::new(|_, _| proof(json!("")))),
        (
            "stripped",
            4400,
            Box::new(|_, _| Ok(vec![json!({"type": "proof"})])),
        ),
        (
            "left out",
            4400,
            Box::new(|_, _| Ok(vec![json!({"type": "portListRequest"})])),
        ),
    ];
    for (name, code, trick) in &all {
        let mut socket = dial(port).await?;
        let mut hand = Hand::new(port);
        if *name == "replayed" {
            hand.nonce.clone_from(&noted.nonce);
        }
        let nonce_srv = challenged(&mut socket, &hand.hello()).await?;
        for frame in trick(&hand, &nonce_srv)? {
            socket.send(&frame).await?;
        }
        // As if nothing were amiss; the server may have gone meanwhile.
        let _ = socket.send(&json!({"type": "portListRequest"})).await;
        let saw = socket.until_closed().await?;
        assert_eq!(saw, (Some(*code), Vec::new()), "{name}");
    }
    // A version that the proof does not name was not offered.
    let mut socket = dial(port).await?;
    let hand = Hand::new(port);
    let mut hello = hand.hello();
    hello["versions"] = json!(["2.1", "2.0"]);
    let nonce_srv = challenged(&mut socket, &hello).await?;
    let fewer = mac(&secret, "extension", &hand, &nonce_srv, None)?;
    socket.send(&json!({"type": "proof", "mac": fewer})).await?;
    assert_eq!(socket.until_closed().await?, (Some(4401), Vec::new()));
    one.ok("browser_snapshot", json!({})).await?;
    drop(good);
    world.close().await
}

/// What a server without the secret may try once the extension has proven itself to it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fraud {
    /// The extension's own proof.
    Reflected,
    /// What a server with the secret once said here, its nonce too.
    Replayed,
    /// A proof of the extension's role, made with the secret.
    OtherRole,
    /// A good proof for other promises than it makes.
    OtherPromises,
    /// A good proof made for a neighbouring port.
    OtherPort,
    /// No `mac` at all.
    Stripped,
    /// A `mac` of no length.
    Empty,
    /// A session as if all were said.
    Skipped,
    /// The extension's nonce as its own.
    SameNonce,
    /// A version that nobody offered.
    OtherVersion,
    /// Nothing after the extension's `hello`.
    NoChallenge,
    /// Nothing after its proof.
    NoAnswer,
}

/// Every fraud with the code that the extension closes with.
const FRAUDS: [(Fraud, u16); 12] = [
    (Fraud::Reflected, 4401),
    (Fraud::Replayed, 4401),
    (Fraud::OtherRole, 4401),
    (Fraud::OtherPromises, 4401),
    (Fraud::OtherPort, 4401),
    (Fraud::Stripped, 4400),
    (Fraud::Empty, 4401),
    (Fraud::Skipped, 4400),
    (Fraud::SameNonce, 4400),
    (Fraud::OtherVersion, 4400),
    (Fraud::NoChallenge, 4408),
    (Fraud::NoAnswer, 4408),
];

/// Waits for the extension at `listener` and deceives it; gives how it closed, and what it said
/// after the fraud.
async fn defraud(
    listener: TcpListener,
    fraud: Fraud,
    secret: String,
) -> Result<(Option<u16>, Vec<String>)> {
    let port = listener.local_addr()?.port();
    let what = format!("the extension to dial for {fraud:?}");
    let noted = if fraud == Fraud::Replayed {
        Some(honest(&listener, port, &secret).await?)
    } else {
        None
    };
    let mut socket = e2e::within(what, accept(&listener)).await?;
    let hand = Hand::read(&socket.next("hello").await?, port)?;
    if fraud == Fraud::NoChallenge {
        return socket.until_closed().await;
    }
    let nonce_srv = match (&noted, fraud) {
        (Some((nonce, _)), _) => nonce.clone(),
        (None, Fraud::SameNonce) => hand.nonce.clone(),
        (None, _) => nonce()?,
    };
    let version = if fraud == Fraud::OtherVersion {
        "1.0"
    } else {
        "2.0"
    };
    let challenge = json!({"type": "challenge", "nonceSrv": nonce_srv, "version": version});
    socket.send(&challenge).await?;
    if matches!(fraud, Fraud::SameNonce | Fraud::OtherVersion) {
        return socket.until_closed().await;
    }
    let proof = socket.next("proof").await?;
    if fraud == Fraud::NoAnswer {
        return socket.until_closed().await;
    }
    let mut ack = promises();
    ack["type"] = json!("helloAck");
    match fraud {
        Fraud::Reflected => ack["mac"] = proof["mac"].clone(),
        Fraud::Replayed => ack = noted.context("nothing was noted")?.1,
        Fraud::OtherRole => {
            let proven = mac(&secret, "extension", &hand, &nonce_srv, Some(&promises()))?;
            ack["mac"] = json!(proven);
        }
        Fraud::OtherPromises => {
            let proven = mac(&secret, "server", &hand, &nonce_srv, Some(&promises()))?;
            ack["mac"] = json!(proven);
            ack["limits"]["frameMax"] = json!(4_096);
        }
        Fraud::OtherPort => {
            let next = Hand {
                port: port + 1,
                ..hand
            };
            let proven = mac(&secret, "server", &next, &nonce_srv, Some(&promises()))?;
            ack["mac"] = json!(proven);
        }
        Fraud::Empty => ack["mac"] = json!(""),
        Fraud::Skipped => ack = json!({"type": "ping"}),
        Fraud::Stripped
        | Fraud::SameNonce
        | Fraud::OtherVersion
        | Fraud::NoChallenge
        | Fraud::NoAnswer => {}
    }
    socket.send(&ack).await?;
    // As a server that was let in would go on; the extension may have gone meanwhile.
    let open = json!({"type": "sessionOpen", "sessionId": "rogue", "resumeToken": "rogue",
        "label": "rogue"});
    let _ = socket.send(&open).await;
    let tab = json!({"type": "createTab", "wireId": "c-1", "sessionId": "rogue"});
    let _ = socket.send(&tab).await;
    socket.until_closed().await
}

/// A handshake with the secret, up to the session: the server's nonce and its `helloAck`.
async fn honest(listener: &TcpListener, port: u16, secret: &str) -> Result<(String, Value)> {
    let mut socket = e2e::within("the extension to dial", accept(listener)).await?;
    let hand = Hand::read(&socket.next("hello").await?, port)?;
    let nonce = nonce()?;
    let challenge = json!({"type": "challenge", "nonceSrv": nonce, "version": "2.0"});
    socket.send(&challenge).await?;
    socket.next("proof").await?;
    let mut ack = promises();
    ack["type"] = json!("helloAck");
    ack["mac"] = json!(mac(secret, "server", &hand, &nonce, Some(&promises()))?);
    socket.send(&ack).await?;
    // It holds: what is said again later was good once.
    let open = json!({"type": "sessionOpen", "sessionId": "honest", "resumeToken": "honest",
        "label": "honest"});
    socket.send(&open).await?;
    socket.next("sessionOpened").await?;
    let goodbye = json!({"type": "goodbye", "reason": "final"});
    socket.send(&goodbye).await?;
    Ok((nonce, ack))
}

#[tokio::test]
async fn the_extension_takes_no_proof_but_the_servers_own_for_this_socket() -> Result<()> {
    let world = World::start().await?;
    let secret = secret_of(&world)?;
    let popup = world.browser().extension_page("popup.html").await?;
    let tabs = popup.tabs().await?.len();
    let mut rogues = tokio::task::JoinSet::new();
    for ((fraud, code), port) in FRAUDS.into_iter().zip(world.ports.all()) {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let secret = secret.clone();
        rogues.spawn(async move { (fraud, code, defraud(listener, fraud, secret).await) });
    }
    while let Some(done) = rogues.join_next().await {
        let (fraud, code, saw) = done?;
        let (closed, texts) = saw.with_context(|| format!("{fraud:?}"))?;
        assert_eq!(closed, Some(code), "{fraud:?}");
        assert_eq!(texts, [""; 0], "{fraud:?} was told");
    }
    assert_eq!(popup.tabs().await?.len(), tabs, "a tab was opened");
    assert!(
        !popup.text().await?.contains("rogue"),
        "{}",
        popup.text().await?
    );
    // An honest server is found all the same.
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    world.close().await
}

#[tokio::test]
async fn a_relay_from_its_own_port_to_a_real_server_gets_neither_side() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=mine")).await?;
    let port = *ports_of(one.pid())?.first().context("no port")?;
    let listener = TcpListener::bind(("127.0.0.1", port + 1)).await?;
    let mut extension = e2e::within("the extension to dial", accept(&listener)).await?;
    drop(listener);
    // Everything is passed on as it is, and even the Host and the Origin are right.
    let mut server = dial(port).await?;
    server.send(&extension.next("hello").await?).await?;
    extension.send(&server.next("challenge").await?).await?;
    server.send(&extension.next("proof").await?).await?;
    assert_eq!(server.until_closed().await?, (Some(4401), Vec::new()));
    let ack = json!({"type": "helloAck", "mac": "00".repeat(32), "features": [],
        "limits": {"frameMax": 33_554_432}});
    extension.send(&ack).await?;
    assert_eq!(extension.until_closed().await?, (Some(4401), Vec::new()));
    // The real server is served as before, and nobody else is.
    assert_eq!(one.read(tab, "document.title").await?, "mine");
    let popup = world.browser().extension_page("popup.html").await?;
    let groups = popup.groups().await?;
    assert_eq!(groups.len(), 1, "{groups:?}");
    world.close().await
}
