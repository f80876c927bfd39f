//! A client written by hand, over an in-process stream, against scripted calls.

use super::*;
use crate::mcp::files::tests::Scratch;
use protocol::command::NAMES;
use protocol::error::Peer as Other;
use protocol::frame::Progress;
use protocol::ids::{Alias, TabId};
use serde_json::{Value, json};
use server_core::{Answer, CallRequest};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines as LinesOf};
use tokio::task::JoinHandle;

/// Answers by what `browser_evaluate` is asked: `hang`, `panic`, `claim`, `big`; else with the page.
#[derive(Default)]
struct Fake {
    labels: Mutex<Vec<String>>,
    requests: Mutex<Vec<CallRequest>>,
    cancelled: CancellationToken,
    ending: CancellationToken,
    /// The core itself hangs: it neither cancels nor ends.
    dead: bool,
}

impl Calls for Fake {
    async fn call(
        &self,
        request: CallRequest,
        progress: mpsc::UnboundedSender<CallProgress>,
        cancel: CancellationToken,
    ) -> Answer {
        let script = request.payload["function"]
            .as_str()
            .unwrap_or("")
            .to_owned();
        self.requests.lock().unwrap().push(request);
        match script.as_str() {
            "panic" => panic!("as scripted"),
            "hang" | "claim" => {
                if script == "claim" {
                    let owner = Other {
                        alias: Alias("a2".into()),
                        label: "other".into(),
                    };
                    let claim = Progress {
                        position: 2,
                        owner: Some(owner),
                        release_in_s: None,
                        left_s: 30,
                    };
                    let _ = progress.send(CallProgress::Claim(claim));
                }
                tokio::select! {
                    () = std::future::pending(), if self.dead => unreachable!(),
                    () = cancel.cancelled() => self.cancelled.cancel(),
                    () = self.ending.cancelled() => {}
                }
                Answer::bare(Err(Fault::SessionEnded.into()))
            }
            "big" => page(json!({"success": true, "value": "x".repeat(5_000_000)})),
            _ => page(json!({"success": true, "url": "https://a.test/", "title": "A"})),
        }
    }

    fn set_label(&self, label: String) {
        self.labels.lock().unwrap().push(label);
    }

    async fn end(&self) {
        if self.dead {
            std::future::pending::<()>().await;
        }
        self.ending.cancel();
    }
}

fn page(data: Value) -> Answer {
    Answer {
        tab: Some(TabId(5)),
        ..Answer::bare(Ok(data))
    }
}

struct Client {
    to: DuplexStream,
    from: LinesOf<BufReader<DuplexStream>>,
    fake: Arc<Fake>,
    stop: CancellationToken,
    server: JoinHandle<End>,
    modern: bool,
    _scratch: Scratch,
}

const PIPE: usize = 64 * 1024;

impl Client {
    fn start(fake: Fake) -> Self {
        let (to, input) = tokio::io::duplex(PIPE);
        let (output, from) = tokio::io::duplex(PIPE);
        let (fake, stop, scratch) = (Arc::new(fake), CancellationToken::new(), Scratch::new());
        let served = serve_on(input, output, fake.clone(), scratch.roots(), stop.clone());
        Self {
            to,
            from: BufReader::new(from).lines(),
            fake,
            stop,
            server: tokio::spawn(served),
            modern: false,
            _scratch: scratch,
        }
    }

    async fn legacy(version: &str) -> Self {
        let mut client = Self::start(Fake::default());
        client.initialize(version).await;
        client
    }

    async fn modern() -> Self {
        let mut client = Self::start(Fake::default());
        client.modern = true;
        let found = client.ask(1, "server/discover", json!({})).await;
        let versions = found["result"]["supportedVersions"].as_array().unwrap();
        assert!(versions.contains(&json!("2026-07-28")), "{found}");
        client
    }

    async fn initialize(&mut self, version: &str) {
        let hello = json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "test-client", "version": "1.2"},
        });
        let welcome = self.ask(0, "initialize", hello).await;
        assert_eq!(welcome["result"]["protocolVersion"], version);
        assert_eq!(welcome["result"]["serverInfo"]["name"], "interlock");
        self.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
    }

    async fn line(&mut self, line: &str) {
        self.to.write_all(line.as_bytes()).await.unwrap();
        self.to.write_all(b"\n").await.unwrap();
    }

    async fn say(&mut self, message: Value) {
        self.line(&message.to_string()).await;
    }

    async fn request(&mut self, id: u32, method: &str, mut params: Value) {
        if self.modern {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
            params["_meta"]["io.modelcontextprotocol/clientInfo"] =
                json!({"name": "modern-client", "version": "9"});
        }
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
    }

    async fn hear(&mut self) -> Value {
        let line = self.from.next_line().await.unwrap().expect("a line");
        let message: Value = serde_json::from_str(&line).expect("nothing but JSON");
        assert_eq!(message["jsonrpc"], "2.0");
        message
    }

    async fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.request(id, method, params).await;
        let answer = self.hear().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    async fn call(&mut self, id: u32, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        self.ask(id, "tools/call", params).await["result"].clone()
    }

    async fn start_script(&mut self, id: u32, script: &str, meta: Value) {
        let arguments = json!({"function": script});
        let params = json!({"name": "browser_evaluate", "arguments": arguments, "_meta": meta});
        self.request(id, "tools/call", params).await;
    }

    /// Closes stdin; gives everything that still came, and how the server ended.
    async fn close(mut self) -> (Vec<Value>, End) {
        drop(self.to);
        let mut last = Vec::new();
        while let Some(line) = self.from.next_line().await.unwrap() {
            last.push(serde_json::from_str(&line).unwrap());
        }
        (last, self.server.await.unwrap())
    }
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().expect("a text")
}

#[tokio::test]
async fn every_legacy_revision_is_spoken() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = Client::legacy(version).await;
        let list = client.ask(1, "tools/list", json!({})).await;
        assert_eq!(
            list["result"]["tools"].as_array().unwrap().len(),
            NAMES.len()
        );
        assert!(
            list["result"].get("ttlMs").is_none(),
            "{version} knows no ttlMs"
        );
        assert!(list["result"].get("resultType").is_none());
        assert_eq!(client.close().await, (vec![], End::Closed));
    }
}

#[tokio::test]
async fn the_modern_revision_needs_no_initialize() {
    let mut client = Client::modern().await;
    let list = client.ask(2, "tools/list", json!({})).await;
    assert_eq!(list["result"]["resultType"], "complete");
    assert!(list["result"]["ttlMs"].as_u64().unwrap() > 0);
    let result = client
        .call(3, "browser_navigate", json!({"url": "https://a.test"}))
        .await;
    assert_eq!(result["resultType"], "complete");
    assert!(
        text(&result).starts_with("Tab 5 · https://a.test/"),
        "{result}"
    );
    assert_eq!(*client.fake.labels.lock().unwrap(), ["modern-client 9"]);
}

#[tokio::test]
async fn a_modern_client_may_begin_without_discovering() {
    let mut client = Client::start(Fake::default());
    client.modern = true;
    let result = client.call(1, "browser_session", json!({})).await;
    // The fake answers with a page, which is no session.
    assert_eq!(result["_meta"]["code"], "internal");
}

#[tokio::test]
async fn discovering_and_then_initializing_works_too() {
    let mut client = Client::modern().await;
    client.modern = false;
    client.initialize("2025-11-25").await;
    let list = client.ask(2, "tools/list", json!({})).await;
    assert!(list["result"]["tools"].is_array());
}

#[tokio::test]
async fn tools_come_in_their_own_order_and_within_twelve_kilobytes() {
    let mut client = Client::legacy("2025-11-25").await;
    let list = client.ask(1, "tools/list", json!({})).await;
    let bytes = list.to_string().len();
    assert!(bytes <= 12 * 1024, "{bytes}");
    let tools = list["result"]["tools"].as_array().unwrap();
    let names: Vec<_> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert_eq!(names.first(), Some(&"browser_navigate"));
    assert_eq!(names.last(), Some(&"browser_session"));
}

#[tokio::test]
async fn the_client_is_told_how_tabs_and_waiting_work() {
    let mut client = Client::start(Fake::default());
    let hello = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    });
    let welcome = client.ask(0, "initialize", hello).await;
    let instructions = welcome["result"]["instructions"].as_str().unwrap();
    for word in ["tabId", "waiters", "browser_tabs", "popup"] {
        assert!(instructions.contains(word), "{word}");
    }
    assert!(instructions.len() < 2000);
    assert_eq!(welcome["result"]["capabilities"], json!({"tools": {}}));
    assert_eq!(*client.fake.labels.lock().unwrap(), ["c 1"]);
}

#[tokio::test]
async fn a_call_reaches_the_browser_side_as_it_was_meant() {
    let mut client = Client::legacy("2025-11-25").await;
    let arguments = json!({"target": "e1", "tabId": 7, "wait": 5});
    client.call(1, "browser_click", arguments).await;
    let requests = client.fake.requests.lock().unwrap();
    assert_eq!(requests[0].name, "browser_click");
    assert_eq!(requests[0].tab, Some(TabId(7)));
    assert_eq!(requests[0].wait_ms, Some(5000));
    assert_eq!(requests[0].payload, json!({"target": "e1"}));
}

#[tokio::test]
async fn bad_arguments_are_an_answer_for_the_model() {
    let mut client = Client::legacy("2025-11-25").await;
    let result = client
        .call(1, "browser_click", json!({"tagret": "e1"}))
        .await;
    assert_eq!(result["isError"], true);
    assert!(text(&result).contains("bad_arguments") && text(&result).contains("tagret"));
    assert_eq!(
        result["_meta"],
        json!({"code": "bad_arguments", "retry": "no"})
    );
    assert!(client.fake.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_unknown_tool_is_answered_with_the_known_ones() {
    let mut client = Client::legacy("2025-11-25").await;
    let params = json!({"name": "browser_fly", "arguments": {}});
    let answer = client.ask(1, "tools/call", params).await;
    assert_eq!(answer["error"]["code"], -32602);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("browser_fly") && message.contains("browser_click"));
}

#[tokio::test]
async fn what_is_not_declared_is_not_found() {
    let mut client = Client::legacy("2025-11-25").await;
    let asked = [
        ("prompts/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("logging/setLevel", json!({"level": "info"})),
        ("made/up", json!({})),
    ];
    for (id, (method, params)) in (1..).zip(asked) {
        let answer = client.ask(id, method, params).await;
        assert_eq!(answer["error"]["code"], -32601, "{method}");
    }
    let answer = client.ask(9, "tools/call", json!({"arguments": 1})).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_below_and_gets_no_answer() {
    for mut client in [Client::legacy("2025-11-25").await, Client::modern().await] {
        client.start_script(7, "hang", json!({})).await;
        let cancelled = json!({"requestId": 7, "reason": "enough"});
        client
            .say(
                json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}),
            )
            .await;
        client.fake.cancelled.cancelled().await;
        let next = client.ask(8, "tools/list", json!({})).await;
        assert!(next["result"]["tools"].is_array());
        assert_eq!(client.close().await, (vec![], End::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_says_for_what_and_that_it_is_still_at_it() {
    for mut client in [Client::legacy("2025-11-25").await, Client::modern().await] {
        client
            .start_script(7, "claim", json!({"progressToken": "p1"}))
            .await;
        let mut last = 0.0;
        for expected in ["position 2", "5 s so far", "10 s so far"] {
            let said = client.hear().await;
            assert_eq!(said["method"], "notifications/progress");
            assert_eq!(said["params"]["progressToken"], "p1");
            let message = said["params"]["message"].as_str().unwrap();
            assert!(message.contains(expected), "{message}");
            let count = said["params"]["progress"].as_f64().unwrap();
            assert!(count > last);
            last = count;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_who_did_not_ask_hears_of_progress() {
    let mut client = Client::legacy("2025-11-25").await;
    client.start_script(7, "claim", json!({})).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (last, _) = client.close().await;
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["id"], 7);
}

#[tokio::test]
async fn a_panic_costs_one_call() {
    let mut client = Client::legacy("2025-11-25").await;
    let result = client
        .call(1, "browser_evaluate", json!({"function": "panic"}))
        .await;
    assert_eq!(result["isError"], true);
    assert_eq!(result["_meta"]["code"], "internal");
    let result = client.call(2, "browser_snapshot", json!({})).await;
    assert_eq!(result["isError"], false);
}

#[tokio::test]
async fn calls_run_side_by_side() {
    let mut client = Client::legacy("2025-11-25").await;
    client.start_script(7, "hang", json!({})).await;
    let result = client.call(8, "browser_snapshot", json!({})).await;
    assert_eq!(result["isError"], false);
}

#[tokio::test]
async fn five_megabytes_arrive_whole() {
    let mut client = Client::legacy("2025-11-25").await;
    let result = client
        .call(1, "browser_evaluate", json!({"function": "big"}))
        .await;
    assert!(text(&result).len() > 5_000_000);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_stdin_reaches_the_core_first_and_open_calls_are_answered() {
    let mut client = Client::legacy("2025-11-25").await;
    client.start_script(7, "hang", json!({})).await;
    client.ask(8, "tools/list", json!({})).await;
    let began = Instant::now();
    let (last, end) = client.close().await;
    assert_eq!(last.len(), 1, "{last:?}");
    assert_eq!(last[0]["id"], 7);
    assert_eq!(last[0]["result"]["_meta"]["code"], "session_ended");
    assert_eq!(end, End::Closed);
    assert!(began.elapsed() < super::super::ANSWER_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_signal_is_an_end_too() {
    let mut client = Client::legacy("2025-11-25").await;
    client.start_script(7, "hang", json!({})).await;
    client.ask(8, "tools/list", json!({})).await;
    client.stop.cancel();
    assert_eq!(client.hear().await["id"], 7);
    assert_eq!(client.server.await.unwrap(), End::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_core_that_hangs_does_not_keep_the_process() {
    let mut client = Client::start(Fake {
        dead: true,
        ..Fake::default()
    });
    client.initialize("2025-11-25").await;
    client.start_script(7, "hang", json!({})).await;
    client.ask(8, "tools/list", json!({})).await;
    let began = Instant::now();
    drop(client.to);
    assert_eq!(client.server.await.unwrap(), End::Closed);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hears_nothing_any_more_is_gone() {
    let mut client = Client::legacy("2025-11-25").await;
    drop(client.from);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string() + "\n";
    client.to.write_all(ping.as_bytes()).await.unwrap();
    assert_eq!(client.server.await.unwrap(), End::Closed);
}

#[tokio::test]
async fn an_end_before_the_first_message_is_no_error() {
    let client = Client::start(Fake::default());
    let fake = client.fake.clone();
    assert_eq!(client.close().await, (vec![], End::Closed));
    assert!(fake.ending.is_cancelled());
}

#[tokio::test]
async fn a_line_that_is_no_message_is_answered_and_the_next_one_works() {
    let mut client = Client::legacy("2025-11-25").await;
    for (line, code, id) in [
        ("not json", -32700, json!(null)),
        ("{\"jsonrpc\":", -32700, json!(null)),
        ("[]", -32600, json!(null)),
        ("7", -32600, json!(null)),
        ("{\"jsonrpc\":\"2.0\",\"id\":4}", -32600, json!(4)),
    ] {
        client.line(line).await;
        let answer = client.hear().await;
        assert_eq!(answer["error"]["code"], code, "{line}: {answer}");
        assert_eq!(answer["id"], id, "{line}: {answer}");
    }
    client.line("").await;
    client.line("   \r").await;
    assert!(client.ask(5, "tools/list", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn nonsense_before_the_handshake_does_not_end_the_server() {
    let mut client = Client::start(Fake::default());
    client.line("hello?").await;
    assert_eq!(client.hear().await["error"]["code"], -32700);
    client
        .say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        .await;
    client
        .say(json!({"jsonrpc": "2.0", "id": 3, "result": {}}))
        .await;
    let answer = client.ask(4, "tools/list", json!({})).await;
    assert!(answer["error"].is_object(), "no handshake yet: {answer}");
    client.initialize("2025-06-18").await;
}

#[tokio::test]
async fn what_is_no_request_ends_no_server_that_was_asked_only_who_it_is() {
    let notification =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}});
    let mut client = Client::modern().await;
    client.say(notification.clone()).await;
    client.modern = false;
    assert!(client.ask(2, "ping", json!({})).await["result"].is_object());
    client.say(notification.clone()).await;
    let unready = client.ask(3, "tools/list", json!({})).await;
    assert!(unready["error"].is_object(), "{unready}");
    client.say(notification).await;
    client.modern = true;
    assert!(client.ask(4, "tools/list", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn a_line_without_end_does_not_fill_the_memory() {
    let mut client = Client::legacy("2025-11-25").await;
    client.line(&"x".repeat(17 * 1024 * 1024)).await;
    assert_eq!(client.hear().await["error"]["code"], -32600);
    assert!(client.ask(5, "tools/list", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn a_last_line_without_its_newline_counts() {
    let mut client = Client::legacy("2025-11-25").await;
    let request = json!({"jsonrpc": "2.0", "id": 9, "method": "ping"}).to_string();
    client.to.write_all(request.as_bytes()).await.unwrap();
    let (last, _) = client.close().await;
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["id"], 9);
}
