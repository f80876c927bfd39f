//! An extension of the original, played here as its own code behaves on the wire, against the real
//! server, driven by a real MCP client. And who is not let in.

use anyhow::{Context, Result, bail};
use e2e::{Agent, Era, PortBlock, Spawn, listening_ports, until, within};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::path::PathBuf;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// The id that the user lets in.
const ID: &str = "abcdefghijklmnopabcdefghijklmnop";
const PICTURE: &str = "data:image/png;base64,iVBORw0KGgo=";

/// A server with an agent, and no browser but the one that is played here.
struct Alone {
    agent: Agent,
    port: u16,
    state: PathBuf,
    _ports: PortBlock,
}

impl Alone {
    async fn start(name: &str, allowed: &[&str]) -> Result<Self> {
        let ports = PortBlock::claim()?;
        let state = std::env::temp_dir().join(format!("e2e-v1-{}-{name}", std::process::id()));
        let range = ports.range();
        let folder = state.to_string_lossy().into_owned();
        let mut arguments = vec!["--state-dir", &folder, "--port-range", &range];
        arguments.extend(allowed);
        let agent = Agent::start(Spawn {
            name: name.to_owned(),
            era: Era::Legacy,
            binary: e2e::binary()?,
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            folder: state.join("client"),
            mark: name.to_owned(),
        })
        .await?;
        let port = ports.first();
        until("the server to listen", async || {
            Ok((!listening_ports(port..=port)?.is_empty()).then_some(()))
        })
        .await?;
        Ok(Self {
            agent,
            port,
            state,
            _ports: ports,
        })
    }

    /// The status of an upgrade with this `Origin` and sub-protocol, on this path.
    async fn status(
        &self,
        path: &str,
        origin: Option<&str>,
        protocol: Option<&str>,
    ) -> Result<u16> {
        match dial(self.port, path, origin, protocol).await {
            Ok(_) => Ok(101),
            Err(error) => match error.downcast_ref() {
                Some(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                    Ok(answer.status().as_u16())
                }
                _ => Err(error),
            },
        }
    }

    async fn end(self) -> Result<()> {
        self.agent.quit().await?;
        Ok(std::fs::remove_dir_all(&self.state)?)
    }
}

async fn dial(
    port: u16,
    path: &str,
    origin: Option<&str>,
    protocol: Option<&str>,
) -> Result<WebSocketStream<TcpStream>> {
    let mut request = format!("ws://localhost:{port}{path}").into_client_request()?;
    let headers = request.headers_mut();
    for (name, value) in [("Origin", origin), ("Sec-WebSocket-Protocol", protocol)] {
        if let Some(value) = value {
            headers.insert(name, HeaderValue::from_str(value)?);
        }
    }
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    Ok(socket)
}

/// The extension's side of one socket.
struct Extension {
    socket: WebSocketStream<TcpStream>,
    instance: String,
}

impl Extension {
    /// Up to the port list, as the original's manager does it.
    async fn connect(port: u16, origin: Option<&str>) -> Result<Self> {
        let socket = dial(port, "/", origin, None).await?;
        let mut extension = Self {
            socket,
            instance: String::new(),
        };
        extension
            .say(&json!({"type": "hello", "wants": "instanceId"}))
            .await?;
        let ack = extension.next().await?;
        assert_eq!(
            (&ack["type"], &ack["port"]),
            (&json!("helloAck"), &json!(port))
        );
        extension.instance = ack["instanceId"].as_str().context("a name")?.to_owned();
        assert!(!extension.instance.is_empty());
        extension.say(&json!({"type": "portListRequest"})).await?;
        let list = extension.next().await?;
        assert_eq!(list, json!({"type": "portListResponse", "ports": [port]}));
        Ok(extension)
    }

    async fn say(&mut self, frame: &Value) -> Result<()> {
        Ok(self.socket.send(Message::text(frame.to_string())).await?)
    }

    async fn next(&mut self) -> Result<Value> {
        within("a frame of the server", async {
            loop {
                match self.socket.next().await.context("the socket ended")?? {
                    Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                    Message::Close(why) => bail!("closed: {why:?}"),
                    Message::Binary(_)
                    | Message::Ping(_)
                    | Message::Pong(_)
                    | Message::Frame(_) => {}
                }
            }
        })
        .await
    }

    /// Waits for this request, and replies; gives its arguments.
    async fn serve(&mut self, kind: &str, payload: Value) -> Result<Value> {
        let request = self.next().await?;
        assert_eq!(request["type"], kind, "{request}");
        assert_eq!(request["instanceId"], json!(self.instance));
        assert!(
            request["id"].as_u64().is_some_and(|id| id >= 1),
            "{request}"
        );
        let reply = json!({"id": request["id"], "type": kind, "payload": payload});
        self.say(&reply).await?;
        Ok(request["payload"].clone())
    }
}

/// A call, and what the extension is asked for it and replies, one after another.
async fn call(
    agent: &Agent,
    extension: &mut Extension,
    tool: &str,
    arguments: Value,
    served: &[(&str, Value)],
) -> Result<(String, Vec<Value>)> {
    let under_way = agent.begin(tool, arguments).await?;
    let mut asked = Vec::new();
    for (kind, payload) in served {
        asked.push(
            extension
                .serve(kind, payload.clone())
                .await
                .context(tool.to_owned())?,
        );
    }
    let answer = under_way.answer().await?;
    assert!(answer.is_ok(), "{tool}: {answer}");
    Ok((answer.text.clone(), asked))
}

#[tokio::test]
async fn an_extension_of_the_original_is_worked_through_by_every_tool_that_it_can_serve()
-> Result<()> {
    let origin = format!("chrome-extension://{ID}");
    let alone = Alone::start("works", &["--allow-unpaired", ID]).await?;
    let mut extension = Extension::connect(alone.port, Some(&origin)).await?;
    let agent = &alone.agent;
    let url = "http://shop.test/";
    let done = json!({"success": true});
    let shown = json!({"snapshot": "[button el_1] Buy", "tabId": 7});
    let tab = |id: i64, index: i64| json!({"id": id, "windowId": 1, "index": index, "url": url, "title": "Shop", "active": true, "status": "complete"});
    let tabs = json!({"tabs": [tab(3, 0), tab(7, 1)]});

    // What it really answers to a navigation names no tab: the server asks once more.
    let served = [
        ("browser_navigate", json!({})),
        ("snapshot.accessibility", shown.clone()),
    ];
    let (text, asked) = call(
        agent,
        &mut extension,
        "browser_navigate",
        json!({"url": url}),
        &served,
    )
    .await?;
    assert!(text.contains("Tab 7") && text.contains(url), "{text}");
    assert_eq!(asked[0], json!({"url": url, "detectPopups": true}));
    for (tool, arguments, kind, reply, said) in [
        (
            "browser_snapshot",
            json!({}),
            "snapshot.accessibility",
            shown.clone(),
            "[button el_1] Buy",
        ),
        (
            "browser_click",
            json!({"target": "el_1"}),
            "dom.click",
            done.clone(),
            "Tab 7",
        ),
        (
            "browser_type",
            json!({"target": "el_1", "text": "it's"}),
            "dom.type",
            done.clone(),
            "Tab 7",
        ),
        (
            "browser_hover",
            json!({"target": "el_1"}),
            "dom.hover",
            done.clone(),
            "Tab 7",
        ),
        (
            "browser_select_option",
            json!({"target": "el_1", "values": ["a"]}),
            "dom.select",
            done.clone(),
            "Tab 7",
        ),
        (
            "browser_press_key",
            json!({"key": "Enter"}),
            "browser_press_key",
            done.clone(),
            "Tab 7",
        ),
        (
            "browser_navigate_back",
            json!({}),
            "browser_go_back",
            json!({}),
            "Tab 7",
        ),
        (
            "browser_navigate",
            json!({"action": "forward"}),
            "browser_go_forward",
            json!({}),
            "Tab 7",
        ),
        (
            "browser_navigate",
            json!({"action": "reload"}),
            "browser_refresh",
            done.clone(),
            "Tab 7",
        ),
        (
            "browser_evaluate",
            json!({"function": "() => 6 * 7"}),
            "js.execute",
            json!({"result": 42}),
            "42",
        ),
        (
            "browser_wait_for",
            json!({"text": "Thanks"}),
            "js.execute",
            json!({"result": true}),
            "Tab 7",
        ),
        (
            "browser_mouse_wheel",
            json!({"deltaY": 600}),
            "js.execute",
            json!({"result": true}),
            "Tab 7",
        ),
        (
            "browser_console_messages",
            json!({}),
            "console.get",
            json!({"logs": [{"type": "log", "args": ["ready"]}]}),
            "ready",
        ),
        (
            "browser_tabs",
            json!({"action": "list"}),
            "tabs.list",
            tabs.clone(),
            "7",
        ),
    ] {
        let (text, _) = call(agent, &mut extension, tool, arguments, &[(kind, reply)]).await?;
        assert!(text.contains(said), "{tool}: {text}");
        assert!(!text.contains("tab 3"), "the person's own: {text}");
    }
    let picture = [("browser_screenshot", json!({"data": PICTURE}))];
    call(
        agent,
        &mut extension,
        "browser_take_screenshot",
        json!({}),
        &picture,
    )
    .await?;
    let more = json!({"tabs": [tab(3, 0), tab(7, 1), tab(9, 2)]});
    let made = [
        ("tabs.new", json!({"success": true, "tabId": 9, "index": 2})),
        ("tabs.list", more.clone()),
    ];
    let (text, _) = call(
        agent,
        &mut extension,
        "browser_tabs",
        json!({"action": "new"}),
        &made,
    )
    .await?;
    assert!(text.contains('9'), "{text}");
    // A tab that is not current is made so first.
    let named = [
        ("tabs.select", json!({"success": true, "tabId": 7})),
        ("snapshot.accessibility", shown),
    ];
    let (_, asked) = call(
        agent,
        &mut extension,
        "browser_snapshot",
        json!({"tabId": 7}),
        &named,
    )
    .await?;
    assert_eq!(asked[0], json!({"tabId": 7}));
    let selected = [
        ("tabs.select", json!({"success": true, "tabId": 9})),
        ("tabs.list", more),
    ];
    call(
        agent,
        &mut extension,
        "browser_tabs",
        json!({"action": "select", "tabId": 9}),
        &selected,
    )
    .await?;
    let closed = [("tabs.close", done), ("tabs.list", tabs)];
    call(
        agent,
        &mut extension,
        "browser_tabs",
        json!({"action": "close"}),
        &closed,
    )
    .await?;
    assert!(
        agent
            .call("browser_session", json!({}))
            .await?
            .text
            .contains("unpaired")
    );

    // What it has no word for, and what it refuses.
    for (tool, arguments) in [
        ("browser_handle_dialog", json!({"accept": true})),
        ("browser_network_requests", json!({})),
        ("browser_take_screenshot", json!({"fullPage": true})),
        ("browser_tabs", json!({"action": "release"})),
    ] {
        let refused = agent.call(tool, arguments).await?;
        refused.must_fail("not_paired", &["not paired", "Interlock's own extension"]);
    }
    let gone = agent
        .begin("browser_click", json!({"target": "el_2"}))
        .await?;
    extension
        .serve("dom.click", json!({"success": false}))
        .await?;
    gone.answer().await?.must_fail("stale_ref", &["el_2"]);
    let threw = agent
        .begin("browser_evaluate", json!({"function": "nope()"}))
        .await?;
    let request = extension.next().await?;
    let error = json!({"id": request["id"], "error": "User script error: Uncaught"});
    extension.say(&error).await?;
    threw
        .answer()
        .await?
        .must_fail("page_error", &["User script error"]);
    extension.say(&json!({"type": "ping"})).await?;
    assert_eq!(extension.next().await?, json!({"type": "pong"}));
    alone.end().await
}

#[tokio::test]
async fn who_is_let_in_is_the_one_that_the_user_names_and_nobody_else() -> Result<()> {
    let named = format!("chrome-extension://{ID}");
    let other = "chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba";
    let page = "https://evil.example";
    for (name, allowed, let_in) in [
        ("nobody", &[][..], None),
        (
            "named",
            &["--allow-unpaired", ID][..],
            Some(Some(named.as_str())),
        ),
        ("program", &["--allow-unpaired"][..], Some(None)),
    ] {
        let alone = Alone::start(name, allowed).await?;
        for origin in [None, Some(named.as_str()), Some(other), Some(page)] {
            let expected = if let_in == Some(origin) { 101 } else { 403 };
            let status = alone.status("/", origin, None).await?;
            assert_eq!(status, expected, "{name}: {origin:?}");
            // Nor anywhere else, nor in another's name.
            for path in ["/session/x", "/extension"] {
                assert_eq!(
                    alone.status(path, origin, None).await?,
                    403,
                    "{name}: {path}"
                );
            }
            assert_eq!(
                alone.status("/", origin, Some("mcp.v1")).await?,
                403,
                "{name}"
            );
        }
        alone.end().await?;
    }
    Ok(())
}
