//! The end of a server, with sockets open.

use crate::rig::{PATIENCE, Server};
use protocol::error::ErrorCode;
use protocol::frame::{GoodbyeReason, Outcome};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

#[tokio::test]
async fn the_end_answers_every_call_says_goodbye_and_is_over() {
    let server = Server::start();
    let mut browser = server.pair("b1").await;
    browser.open(Outcome::New, vec![]).await;
    let call = server.call("browser_click", json!({"target": "e1"}));
    browser.command().await;
    let began = Instant::now();
    server.handle.stdin_ended();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let dialled = TcpStream::connect(("127.0.0.1", server.port)).await;
    assert!(dialled.is_err(), "nobody listens before goodbye is said");
    let error = call.await.unwrap().outcome.unwrap_err();
    assert_eq!(error.code, ErrorCode::Cancelled);
    assert!(matches!(
        browser.next().await,
        Some(protocol::Frame::Cancel { .. })
    ));
    let goodbye = browser.goodbye().await;
    assert_eq!(
        (goodbye.reason, goodbye.grace_s),
        (GoodbyeReason::Ending, Some(10))
    );
    assert_eq!(browser.next_or_code().await, Err(1001));
    server.handle.ended().await;
    // The second that this may take is asserted in simulated time, in the core's tests.
    assert!(began.elapsed() < PATIENCE);
}

#[tokio::test]
async fn after_the_end_calls_are_answered_too() {
    let server = Server::start();
    server.handle.stdin_ended();
    server.handle.ended().await;
    let late = server.call("browser_snapshot", json!({}));
    let error = late.await.unwrap().outcome.unwrap_err();
    assert_eq!(error.code, ErrorCode::SessionEnded);
}
