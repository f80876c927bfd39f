//! What the corpus holds, and what is made of it, goes through every door.

use fuzz::{BODIES, Body, grow};

/// All inputs together: what a clone has to carry.
const CORPUS_MAX: usize = 300 * 1024;

fn replay(name: &str, changes: usize) {
    let body: &Body = BODIES
        .iter()
        .find(|body| body.name == name)
        .expect("a body of that name");
    let inputs = grow::read(body).expect("a folder of inputs");
    assert!(!inputs.is_empty(), "{name} has no inputs");
    let held = inputs
        .values()
        .try_for_each(|bytes| grow::try_one(body, bytes))
        .and_then(|()| grow::try_changes(body, &inputs, 1, changes));
    if let Err(what) = held {
        panic!("{what}");
    }
}

#[test]
fn a_frame_reads_as_it_was_said_or_is_refused_for_its_reason() {
    replay("frame", 5_000);
}

#[test]
fn no_head_lets_a_page_in_or_keeps_the_listener_from_the_next() {
    replay("http_head", 500);
}

#[test]
fn no_line_of_a_client_keeps_its_next_call_from_being_answered() {
    replay("mcp_line", 500);
}

#[test]
fn whatever_browsers_and_clients_do_every_call_is_answered_once_and_the_end_comes() {
    replay("conversation", 500);
}

#[test]
fn a_damaged_store_is_told_once_and_the_worker_serves_as_ever() {
    replay("stored_state", 300);
}

#[test]
fn whatever_peers_browser_disk_and_person_do_the_next_call_is_served_and_nothing_stays() {
    replay("transitions", 300);
}

#[test]
fn the_corpus_stays_small() {
    let sizes = BODIES.iter().map(|body| {
        let inputs = grow::read(body).expect("a folder of inputs");
        inputs.values().map(Vec::len).sum::<usize>()
    });
    let all: usize = sizes.sum();
    assert!(all <= CORPUS_MAX, "{all} bytes of {CORPUS_MAX}");
}
