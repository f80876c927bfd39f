//! What an MCP client writes to stdin: the real MCP side, on streams in memory.

use interlock::mcp::{Calls, End, Roots, serve_on};
use protocol::{ErrorCode, TabId};
use serde_json::{Value, json};
use server_core::{Answer, CallProgress, CallRequest};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// More than all answers to one input.
const PIPE: usize = 4 * 1024 * 1024;
/// An id that no other request has.
const GOOD: &str = "the good one";

/// Writes `bytes` to the server as its client would, then a handshake and a good call. Every line that comes back
/// is a message of JSON-RPC; every error in it says something; the good call is answered once, unless
/// the handshake before it was refused, which is told.
pub fn mcp_line(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without IO");
    let (end, said) = runtime.block_on(talk(bytes));
    let mut good = 0;
    for line in said.lines() {
        let message: Value = serde_json::from_str(line).expect("nothing but JSON on stdout");
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        check(&message);
        if message["id"] == GOOD {
            good += 1;
            assert_eq!(message["result"]["isError"], false, "{message}");
        }
    }
    match end {
        End::Closed => assert_eq!(good, 1, "{said}"),
        End::Refused(why) => assert!(!why.is_empty() && said.contains("\"error\""), "{said}"),
    }
}

fn check(message: &Value) {
    if let Some(error) = message.get("error") {
        let told = error["message"].as_str();
        assert!(told.is_some_and(|told| !told.is_empty()), "{message}");
    }
    let result = &message["result"];
    if result["isError"] == true {
        let text = result["content"][0]["text"].as_str().expect("words");
        let code = result["_meta"]["code"].as_str().expect("a code");
        let known = serde_json::from_value::<ErrorCode>(code.into());
        assert!(known.is_ok() && text.contains(code), "{message}");
        assert!(text.lines().count() > 1, "an error without advice: {text}");
    }
}

async fn talk(bytes: &[u8]) -> (End, String) {
    let (mut input, stdin) = tokio::io::duplex(PIPE);
    let (stdout, mut output) = tokio::io::duplex(PIPE);
    let nowhere = Path::new("/");
    let roots = Roots::new(
        nowhere,
        None,
        &[],
        Path::new("/nowhere/out"),
        Path::new("/nowhere"),
    );
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve_on(stdin, stdout, Arc::new(Page), roots, stop));
    let hello = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "good", "version": "1"},
    });
    // What 2026-07-28 wants said with each request, should the client have begun in that.
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "good", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let call = json!({"name": "browser_snapshot", "arguments": {}, "_meta": meta});
    let lines = [
        json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": GOOD, "method": "tools/call", "params": call}),
    ];
    let lines = lines.map(|line| format!("{line}\n")).concat();
    // It may be gone before all was written.
    let _ = input.write_all(bytes).await;
    let _ = input.write_all(b"\n").await;
    let _ = input.write_all(lines.as_bytes()).await;
    drop(input);
    let end = serving.await.expect("no line breaks the server");
    let mut said = String::new();
    let read = output.read_to_string(&mut said).await;
    read.expect("text on stdout");
    (end, said)
}

/// A browser that has one page for every call.
struct Page;

impl Calls for Page {
    async fn call(
        &self,
        _request: CallRequest,
        _progress: mpsc::UnboundedSender<CallProgress>,
        _cancel: CancellationToken,
    ) -> Answer {
        Answer {
            tab: Some(TabId(5)),
            ..Answer::bare(Ok(
                json!({"success": true, "url": "https://a.test/", "title": "A"}),
            ))
        }
    }

    fn set_label(&self, _label: String) {}

    async fn end(&self) {}
}
