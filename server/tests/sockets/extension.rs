//! A scripted extension on real sockets.

use crate::rig::{Browser, Server};
use protocol::Frame;
use protocol::error::{ErrorCode, Fault};
use protocol::frame::{Begun, BegunState, Envelope, Outcome};
use protocol::pairing::Secret;
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_call_goes_to_the_browser_and_its_answer_comes_home() {
    let server = Server::start();
    let call = server.call("browser_evaluate", json!({"function": "() => 6 * 7"}));
    let mut browser = server.pair("b1").await;
    let open = browser.open(Outcome::New, vec![]).await;
    assert!(!open.standby);
    let command = browser.command().await;
    assert_eq!(command.name.as_deref(), Some("browser_evaluate"));
    browser
        .respond(&command, json!({"success": true, "value": 42}))
        .await;
    let answer = call.await.unwrap();
    assert_eq!(answer.outcome, Ok(json!({"success": true, "value": 42})));
}

#[tokio::test]
async fn a_wrong_secret_is_refused_without_a_word() {
    let server = Server::start();
    let mut browser = Browser::dial(server.port).await;
    let said = browser.hello(server.port, "b1").await;
    let mac = said.extension_mac(&Secret::new([0; 32]));
    browser.say(&Frame::Proof { mac }).await;
    assert_eq!(browser.next_or_code().await, Err(4401));
}

#[tokio::test]
async fn a_rotated_secret_counts_from_the_next_handshake_on() {
    let server = Server::start();
    let state = server.scratch.state();
    state.rotate_secret().unwrap();
    let secret = state.secret().unwrap();
    let mut browser = Browser::pair(server.port, &secret, "b1").await;
    browser.open(Outcome::New, vec![]).await;
    let mut old = Browser::dial(server.port).await;
    let said = old.hello(server.port, "b2").await;
    let mac = said.extension_mac(&server.secret);
    old.say(&Frame::Proof { mac }).await;
    assert_eq!(old.next_or_code().await, Err(4401));
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_in_the_browser() {
    let server = Server::start();
    let mut browser = server.pair("b1").await;
    browser.open(Outcome::New, vec![]).await;
    let cancel = CancellationToken::new();
    let call = server.call_until("browser_snapshot", json!({}), cancel.clone());
    let command = browser.command().await;
    cancel.cancel();
    let wire_id = command.wire_id.clone();
    assert_eq!(browser.next().await, Some(Frame::Cancel { wire_id }));
    let error = Fault::Cancelled { may_still: None }.into();
    let response = Envelope::response(command.wire_id, command.session_id, Err(error));
    browser.say(&Frame::Response(response)).await;
    let error = call.await.unwrap().outcome.unwrap_err();
    assert_eq!(error.code, ErrorCode::Cancelled);
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_in_the_browser() {
    let server = Server::start();
    let mut browser = server.pair("b1").await;
    browser.open(Outcome::New, vec![]).await;
    let call = server.call("browser_snapshot", json!({}));
    let wire_id = browser.command().await.wire_id;
    call.abort();
    assert_eq!(browser.next().await, Some(Frame::Cancel { wire_id }));
}

#[tokio::test]
async fn a_call_survives_the_loss_of_its_socket() {
    let server = Server::start();
    let mut browser = server.pair("b1").await;
    let first = browser.open(Outcome::New, vec![]).await;
    let call = server.call("browser_click", json!({"target": "e1"}));
    let command = browser.command().await;
    drop(browser);
    let mut browser = server.pair("b1").await;
    let running = Begun {
        wire_id: command.wire_id.clone(),
        state: BegunState::Running,
    };
    let second = browser.open(Outcome::Resumed, vec![running]).await;
    assert_eq!(first.resume_token, second.resume_token);
    browser.respond(&command, json!({"success": true})).await;
    assert!(call.await.unwrap().outcome.is_ok());
}

#[tokio::test]
async fn a_large_answer_arrives_whole_and_one_above_the_limit_is_an_error() {
    let server = Server::start();
    let mut browser = server.pair("b1").await;
    browser.open(Outcome::New, vec![]).await;
    let call = server.call("browser_snapshot", json!({}));
    let command = browser.command().await;
    let text = "x".repeat(20 * 1024 * 1024);
    browser.respond(&command, json!({"snapshot": text})).await;
    let data = call.await.unwrap().outcome.unwrap();
    assert_eq!(data["snapshot"].as_str().map(str::len), Some(text.len()));

    let call = server.call("browser_snapshot", json!({}));
    let command = browser.command().await;
    let text = "x".repeat(protocol::limits::FRAME_MAX);
    browser.respond(&command, json!({"snapshot": text})).await;
    let error = call.await.unwrap().outcome.unwrap_err();
    assert_eq!(error.code, ErrorCode::ResultTooLarge);
    assert_eq!(browser.next_or_code().await, Err(4400));
}

#[tokio::test]
async fn an_extension_that_leaves_unpaired_is_what_a_call_is_told() {
    let server = Server::start();
    let call = server.call("browser_snapshot", json!({}));
    let mut browser = Browser::dial(server.port).await;
    browser.hello(server.port, "b1").await;
    browser.leave(4401).await;
    let error = call.await.unwrap().outcome.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotPaired);
}
