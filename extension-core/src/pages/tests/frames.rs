//! Frames inside frames: those of the page's process, and those that others draw, each a child
//! session of the debugger.

use super::*;
use protocol::ErrorCode;

const CHILD: &str = "S1";
const BURST: [&str; 5] = [
    "Runtime.disable",
    "Target.setAutoAttach",
    "Runtime.enable",
    "Log.enable",
    "Network.enable",
];

/// An event of a child session.
fn told(chrome: &mut Chrome, session: &str, method: &str, params: Value) {
    assert!(hears(method), "nobody would tell of {method}");
    let now = chrome.now;
    chrome
        .pages
        .handle_debugger(TAB, Some(session), method, &params, now);
    chrome.drain();
}

fn attach_child(chrome: &mut Chrome, session: &str, frame: &str, url: &str) {
    let target = json!({"type": "iframe", "targetId": frame, "url": url});
    chrome.event(
        "Target.attachedToTarget",
        json!({"sessionId": session, "targetInfo": target}),
    );
}

fn detach_child(chrome: &mut Chrome, session: &str) {
    let gone = json!({"sessionId": session, "targetId": "G"});
    chrome.event("Target.detachedFromTarget", gone);
}

fn frame(id: &str, loader: &str, url: &str, parent: Option<&str>) -> Value {
    json!({"id": id, "loaderId": loader, "url": url, "parentId": parent})
}

/// The page F with the frame H of its own process.
fn tree() -> Value {
    json!({"frameTree": {"frame": frame("F", "L1", PAGE, None),
        "childFrames": [{"frame": frame("H", "L3", "http://a.test/in", Some("F"))}]}})
}

/// The frame G that another process draws.
fn child_tree(loader: &str) -> Value {
    json!({"frameTree": {"frame": frame("G", loader, "http://other.test/", Some("F"))}})
}

/// With a child session that has been told to speak.
fn with_child() -> Chrome {
    let mut chrome = Chrome::attached();
    attach_child(&mut chrome, CHILD, "G", "http://other.test/");
    for method in BURST {
        chrome.answer_in(Some(CHILD), method, json!({}));
    }
    chrome
}

/// A picture of documents that hold a button each, and what holds the children of `hosts`.
fn picture(documents: &[(&str, i64)], host: Option<(i64, Option<i64>)>) -> Value {
    let mut strings = vec![
        "BUTTON".to_owned(),
        "visible".into(),
        "aria-label".into(),
        "IFRAME".into(),
    ];
    let mut word = |text: &str| {
        strings.push(text.to_owned());
        strings.len() - 1
    };
    let all: Vec<Value> = documents
        .iter()
        .enumerate()
        .map(|(at, (frame, backend))| {
            let (frame, name) = (word(frame), word(&format!("in {frame}")));
            let host = host.filter(|_| at == 0);
            let holder = host.map_or(0, |(holder, _)| holder);
            let inner = host.and_then(|(_, inner)| inner);
            json!({"frameId": frame, "nodes": {
                "parentIndex": [-1, 0, 0], "nodeType": [9, 1, if holder > 0 { 1 } else { 8 }],
                "nodeName": [-1, 0, 3], "attributes": [[], [2, name], []],
                "backendNodeId": [1, backend, holder],
                "contentDocumentIndex": {
                    "index": inner.map(|_| 2).into_iter().collect::<Vec<i64>>(),
                    "value": inner.into_iter().collect::<Vec<i64>>()},
            }, "layout": {"nodeIndex": [0, 1, 2], "styles": [[], [1], [1]]}})
        })
        .collect();
    json!({"strings": strings, "documents": all})
}

fn reference(node: i64, loader: &str) -> String {
    element::name(node, &element::frame_mark(loader))
}

/// Answers where every frame is, as calls that name a frame's ref ask.
fn found(chrome: &mut Chrome) {
    chrome.answer_in(None, "Page.getFrameTree", tree());
    chrome.answer_in(Some(CHILD), "Page.getFrameTree", child_tree("L2"));
}

fn resolved(chrome: &mut Chrome, session: Option<&str>, object: &str) {
    let object = json!({"object": {"objectId": object}});
    chrome.answer_in(session, "DOM.resolveNode", object);
}

#[test]
fn a_child_session_is_told_to_speak_step_by_step() {
    let mut chrome = Chrome::attached();
    attach_child(&mut chrome, CHILD, "G", "http://other.test/");
    for method in BURST {
        assert_eq!(chrome.asks.len(), 1, "{method}");
        // A frame that lacks one thing may still be read.
        if method == "Log.enable" {
            chrome.refuse(method, "'Log.enable' wasn't found");
        } else {
            chrome.answer_in(Some(CHILD), method, json!({}));
        }
    }
    assert!(chrome.asks.is_empty() && chrome.told().is_empty());
}

#[test]
fn what_frames_say_and_ask_for_is_told_with_the_pages() {
    let mut chrome = with_child();
    let said = json!({"type": "log", "timestamp": 2_000,
        "args": [{"type": "string", "value": "from inside"}]});
    told(&mut chrome, CHILD, "Runtime.consoleAPICalled", said.clone());
    told(&mut chrome, "stranger", "Runtime.consoleAPICalled", said);
    let request = json!({"requestId": "9", "type": "Fetch",
        "request": {"method": "GET", "url": "http://other.test/x"}});
    told(&mut chrome, CHILD, "Network.requestWillBeSent", request);
    // A frame that moves or crashes is not the page.
    told(&mut chrome, CHILD, "Inspector.targetCrashed", json!({}));
    let moved = json!({"frame": frame("G", "L9", "chrome://settings/", None)});
    told(&mut chrome, CHILD, "Page.frameNavigated", moved);
    chrome.begin("browser_console_messages", json!({}));
    chrome.serve();
    let lines = chrome.result().0.console.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].text, "from inside");
    chrome.begin("browser_network_requests", json!({}));
    chrome.serve();
    assert_eq!(chrome.result().0.requests.unwrap().len(), 1);
}

#[test]
fn a_snapshot_shows_frames_where_they_stand_each_with_its_own_marks() {
    let mut chrome = with_child();
    chrome.deaf.insert("Page.getFrameTree");
    chrome.begin("browser_snapshot", json!({}));
    chrome.answer_in(None, "Page.getFrameTree", tree());
    chrome.answer_in(Some(CHILD), "Page.getFrameTree", child_tree("L2"));
    let own = picture(&[("F", 5), ("H", 6)], Some((7, Some(1))));
    chrome.answer_in(None, "DOMSnapshot.captureSnapshot", own);
    let other = picture(&[("G", 5)], None);
    chrome.answer_in(Some(CHILD), "DOMSnapshot.captureSnapshot", other);
    chrome.answer("DOM.getFrameOwner", json!({"backendNodeId": 5}));
    chrome.serve();
    let shown = chrome.result().0.snapshot.unwrap();
    let top = element::name(5, &element::mark("L1"));
    // The other one hangs in the button here, which no page has, and shows that ids are not mixed.
    assert_eq!(
        shown,
        format!(
            "- button \"in F\" [ref={top}]:\n  - button \"in G\" [ref={}]\n\
             - iframe [ref={}]:\n  - button \"in H\" [ref={}]\n",
            reference(5, "L2"),
            element::name(7, &element::mark("L1")),
            reference(6, "L3"),
        )
    );
}

#[test]
fn a_frame_where_no_agent_may_be_is_not_read() {
    let mut chrome = Chrome::attached();
    let viewer = "chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai/index.html";
    attach_child(&mut chrome, CHILD, "G", viewer);
    assert!(chrome.asks.is_empty(), "not even told to speak");
    // Nor one of the page's own process, should Chrome ever put one there.
    chrome.deaf.insert("Page.getFrameTree");
    chrome.begin("browser_snapshot", json!({}));
    let own = json!({"frameTree": {"frame": frame("F", "L1", PAGE, None),
        "childFrames": [{"frame": frame("H", "L3", viewer, Some("F"))}]}});
    chrome.answer("Page.getFrameTree", own.clone());
    let look = picture(&[("F", 5), ("H", 6)], Some((7, Some(1))));
    chrome.answer("DOMSnapshot.captureSnapshot", look);
    chrome.serve();
    let shown = chrome.result().0.snapshot.unwrap();
    assert!(shown.contains("in F") && !shown.contains("in H"), "{shown}");
    let guessed = reference(6, "L3");
    chrome.begin("browser_click", json!({"target": guessed}));
    chrome.answer("Page.getFrameTree", own);
    assert_eq!(chrome.fault().0, Fault::StaleRef { target: guessed });
}

#[test]
fn a_frame_that_does_not_answer_is_left_out_and_keeps_no_turn() {
    let mut chrome = with_child();
    chrome.deaf.insert("Page.getFrameTree");
    chrome.begin("browser_snapshot", json!({}));
    chrome.answer_in(None, "Page.getFrameTree", tree());
    let own = picture(&[("F", 5), ("H", 6)], None);
    chrome.answer_in(None, "DOMSnapshot.captureSnapshot", own);
    chrome.pass(2);
    chrome.serve();
    let (result, settled) = chrome.result();
    assert!(result.snapshot.unwrap().contains("in F"));
    assert_eq!(result.notes.len(), 1, "{:?}", result.notes);
    assert!(settled);
}

#[test]
fn a_snapshot_waits_for_frames_that_are_being_told_to_speak_but_not_for_ever() {
    let mut chrome = Chrome::attached();
    attach_child(&mut chrome, CHILD, "G", "http://other.test/");
    chrome.begin("browser_snapshot", json!({}));
    assert!(!chrome.is_asked("DOMSnapshot.captureSnapshot"));
    chrome.pass(1);
    let pictures = chrome.all("DOMSnapshot.captureSnapshot");
    assert_eq!(pictures.len(), 2);
}

#[test]
fn a_click_in_a_frame_is_made_where_the_frame_shows_the_element() {
    let mut chrome = with_child();
    for deaf in ["Page.getFrameTree", "Input.dispatchMouseEvent"] {
        chrome.deaf.insert(deaf);
    }
    let arguments = json!({"target": reference(5, "L2")});
    chrome.begin("browser_click", arguments);
    found(&mut chrome);
    resolved(&mut chrome, Some(CHILD), "O");
    chrome.serve();
    chrome.answer("Page.captureScreenshot", json!({"data": "AA=="}));
    // Twice the same: the frame holds still.
    for (look, x) in [(0, 30.0), (1, 210.0), (2, 210.0)] {
        let own = json!({"x": 10, "y": 20, "width": 0, "height": 0, "w": 300, "h": 150});
        let own = json!({"result": {"value": own}});
        chrome.answer_in(Some(CHILD), "Runtime.callFunctionOn", own);
        chrome.answer_in(None, "DOM.getFrameOwner", json!({"backendNodeId": 9}));
        resolved(&mut chrome, None, "H");
        let asked = chrome.params("Runtime.callFunctionOn");
        assert_eq!(asked["arguments"][1]["value"]["w"], 300);
        assert!(!chrome.is_asked("Input.dispatchMouseEvent"), "{look}");
        let around = json!({"x": x, "y": 320, "width": 0, "height": 0});
        let around = json!({"result": {"value": around}});
        chrome.answer_in(None, "Runtime.callFunctionOn", around);
        chrome.now = chrome.now + Duration::from_millis(20);
        chrome.pages.handle_timeout(chrome.now);
        chrome.drain();
    }
    chrome.serve();
    let events = chrome.all("Input.dispatchMouseEvent");
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|e| e["x"] == 210.0 && e["y"] == 320.0));
    assert_eq!(chrome.session_of("Input.dispatchMouseEvent"), None);
}

#[test]
fn a_frame_that_is_covered_is_scrolled_to_once_and_then_not_actionable() {
    let mut chrome = with_child();
    chrome.deaf.insert("Page.getFrameTree");
    chrome.begin("browser_hover", json!({"target": reference(5, "L2")}));
    found(&mut chrome);
    resolved(&mut chrome, Some(CHILD), "O");
    chrome.serve();
    chrome.answer("Page.captureScreenshot", json!({"data": "AA=="}));
    let mut scrolls = 0;
    for _ in 0..3 {
        let own = json!({"x": 10, "y": 20, "width": 0, "height": 0, "w": 300, "h": 150});
        let own = json!({"result": {"value": own}});
        chrome.answer_in(Some(CHILD), "Runtime.callFunctionOn", own);
        chrome.answer_in(None, "DOM.getFrameOwner", json!({"backendNodeId": 9}));
        resolved(&mut chrome, None, "H");
        let why =
            json!({"x": 1, "y": 1, "out": true, "why": "its frame is covered by this\n<div>"});
        let why = json!({"result": {"value": why}});
        chrome.answer_in(None, "Runtime.callFunctionOn", why);
        if chrome.is_asked("Runtime.callFunctionOn") {
            scrolls += 1;
            let done = json!({"result": {"value": {}}});
            chrome.answer_in(Some(CHILD), "Runtime.callFunctionOn", done);
        }
        if chrome.told.is_empty() {
            chrome.pass(3);
        }
    }
    chrome.serve();
    assert_eq!(scrolls, 1);
    let (fault, _) = chrome.fault();
    assert_eq!(fault.code(), ErrorCode::NotActionable);
    assert!(fault.message().contains("covered by this:\n<div>"));
}

#[test]
fn a_ref_is_stale_once_its_frame_shows_another_document() {
    let mut chrome = with_child();
    chrome.deaf.insert("Page.getFrameTree");
    let old = reference(5, "L2");
    chrome.begin("browser_click", json!({"target": old.clone()}));
    chrome.answer_in(None, "Page.getFrameTree", tree());
    chrome.answer_in(Some(CHILD), "Page.getFrameTree", child_tree("L9"));
    assert_eq!(chrome.fault(), (Fault::StaleRef { target: old }, true));
    assert!(chrome.asks_no_page());
}

#[test]
fn a_frame_that_goes_away_under_a_call_makes_its_ref_stale_and_leaves_the_debugger_alone() {
    let mut chrome = with_child();
    chrome.deaf.insert("Page.getFrameTree");
    let target = reference(5, "L2");
    let arguments = json!({"target": target.clone(), "values": ["x"]});
    chrome.begin("browser_select_option", arguments);
    found(&mut chrome);
    resolved(&mut chrome, Some(CHILD), "O");
    chrome.serve();
    chrome.answer("Page.captureScreenshot", json!({"data": "AA=="}));
    assert!(chrome.is_asked("Runtime.callFunctionOn"));
    detach_child(&mut chrome, CHILD);
    chrome
        .asks
        .retain(|_, call| named(call) != "Runtime.callFunctionOn");
    chrome.serve();
    assert_eq!(chrome.fault(), (Fault::StaleRef { target }, true));
    chrome.pass(10);
    assert!(!chrome.is_asked("detach"));
}

#[test]
fn a_frame_that_crashes_under_a_call_makes_its_ref_stale() {
    let mut chrome = with_child();
    chrome.deaf.insert("Page.getFrameTree");
    let target = reference(5, "L2");
    chrome.begin("browser_click", json!({"target": target.clone()}));
    found(&mut chrome);
    assert_eq!(chrome.session_of("DOM.resolveNode").as_deref(), Some(CHILD));
    told(&mut chrome, CHILD, "Inspector.targetCrashed", json!({}));
    chrome.serve();
    assert_eq!(chrome.fault(), (Fault::StaleRef { target }, true));
}

#[test]
fn a_debugger_that_goes_while_a_frame_works_is_told_as_such() {
    let detached = "Detached while handling command.";
    for (reason, code) in [
        (DetachReason::CanceledByUser, ErrorCode::StoppedByUser),
        (DetachReason::TargetClosed, ErrorCode::OutcomeUnknown),
    ] {
        let mut chrome = with_child();
        chrome.deaf.insert("Page.getFrameTree");
        chrome.begin("browser_hover", json!({"target": reference(5, "L2")}));
        found(&mut chrome);
        resolved(&mut chrome, Some(CHILD), "O");
        chrome.serve();
        chrome.answer("Page.captureScreenshot", json!({"data": "AA=="}));
        chrome.refuse("Runtime.callFunctionOn", detached);
        assert!(chrome.told.is_empty());
        chrome.pages.handle_detached(TAB, reason, chrome.now);
        chrome.serve();
        assert_eq!(chrome.fault().0.code(), code);
    }
}

#[test]
fn a_ref_in_one_frame_waits_for_no_other() {
    let mut chrome = with_child();
    // One that hangs while it is told to speak.
    attach_child(&mut chrome, "S9", "N", "http://hangs.test/");
    chrome.deaf.insert("Page.getFrameTree");
    chrome.begin("browser_click", json!({"target": reference(5, "L2")}));
    found(&mut chrome);
    assert_eq!(chrome.session_of("DOM.resolveNode").as_deref(), Some(CHILD));
}

#[test]
fn a_page_that_does_not_tell_its_frames_is_shown_without_them_and_says_so() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Page.getFrameTree");
    chrome.begin("browser_snapshot", json!({}));
    let own = picture(&[("F", 5), ("H", 6)], None);
    chrome.answer("DOMSnapshot.captureSnapshot", own);
    chrome.pass(2);
    chrome.serve();
    let (result, _) = chrome.result();
    assert!(!result.snapshot.unwrap().contains("in H"));
    assert_eq!(result.notes.len(), 1, "{:?}", result.notes);
}

#[test]
fn a_script_with_an_element_of_a_frame_runs_in_that_frame() {
    let mut chrome = with_child();
    chrome.deaf.insert("Page.getFrameTree");
    let world = json!({"id": 3, "uniqueId": "7.3", "auxData": {"isDefault": true, "frameId": "G"}});
    let created = json!({"context": world});
    told(
        &mut chrome,
        CHILD,
        "Runtime.executionContextCreated",
        created,
    );
    let arguments = json!({"function": "(e) => origin", "target": reference(5, "L2")});
    chrome.begin("browser_evaluate", arguments);
    found(&mut chrome);
    resolved(&mut chrome, Some(CHILD), "O");
    let put = json!({"result": {"value": {}}});
    chrome.answer_in(Some(CHILD), "Runtime.callFunctionOn", put);
    assert_eq!(chrome.params("Runtime.evaluate")["uniqueContextId"], "7.3");
    assert_eq!(
        chrome.session_of("Runtime.evaluate").as_deref(),
        Some(CHILD)
    );
}

#[test]
fn a_script_that_runs_on_in_a_frame_keeps_the_turn_until_that_frame_answers() {
    let mut chrome = with_child();
    chrome.deaf.insert("Page.getFrameTree");
    let world = json!({"id": 3, "uniqueId": "7.3", "auxData": {"isDefault": true, "frameId": "G"}});
    let created = json!({"context": world});
    told(
        &mut chrome,
        CHILD,
        "Runtime.executionContextCreated",
        created,
    );
    let arguments = json!({"function": "(e) => { for (;;); }", "target": reference(5, "L2")});
    chrome.begin("browser_evaluate", arguments);
    found(&mut chrome);
    resolved(&mut chrome, Some(CHILD), "O");
    let put = json!({"result": {"value": {}}});
    chrome.answer_in(Some(CHILD), "Runtime.callFunctionOn", put);
    chrome.answer_in(Some(CHILD), "Runtime.releaseObjectGroup", json!({}));
    chrome.pages.stop(CALL, TAB, chrome.now);
    chrome.drain();
    let probes = chrome.all("Runtime.evaluate");
    assert_eq!(probes.len(), 2, "the script, and the probe behind it");
    assert!(chrome.told().is_empty());
    let probe = probes.iter().position(|it| it["expression"] == "0");
    let request = chrome.requests("Runtime.evaluate")[probe.unwrap()];
    let session = chrome.session_at(request);
    assert_eq!(
        session.as_deref(),
        Some(CHILD),
        "not the page, which is idle"
    );
    chrome.asks.remove(&request);
    let answer = Ok(json!({}));
    chrome.pages.handle_done(request, answer, chrome.now);
    chrome.drain();
    assert!(chrome.settled());
}

#[test]
fn a_debugger_that_comes_again_knows_nothing_of_former_frames() {
    let mut chrome = with_child();
    chrome.begin("browser_snapshot", json!({}));
    assert_eq!(chrome.all("DOMSnapshot.captureSnapshot").len(), 2);
    chrome.asks.clear();
    let thrown_off = DetachReason::TargetClosed;
    chrome.pages.handle_detached(TAB, thrown_off, chrome.now);
    chrome.serve();
    assert_eq!(chrome.all("DOMSnapshot.captureSnapshot").len(), 1);
    let said = json!({"type": "log", "timestamp": 2_000, "args": []});
    told(&mut chrome, CHILD, "Runtime.consoleAPICalled", said);
    chrome.answer("DOMSnapshot.captureSnapshot", json!({}));
    chrome.serve();
    assert!(chrome.result().1);
    chrome.begin("browser_console_messages", json!({}));
    chrome.serve();
    assert_eq!(chrome.result().0.console, Some(vec![]));
}

#[test]
fn nothing_of_a_tabs_frames_is_left_when_its_owner_changes() {
    let mut chrome = Chrome::attached();
    attach_child(&mut chrome, CHILD, "G", "http://other.test/");
    chrome.pages.clear(TAB, chrome.now);
    chrome.drain();
    chrome.answer("detach", Value::Null);
    assert!(chrome.pages.tabs.is_empty());
    // What the child was being told comes home to nobody.
    chrome.answer_in(Some(CHILD), "Runtime.disable", json!({}));
    assert!(chrome.pages.tabs.is_empty() && chrome.asks.is_empty());
}

#[test]
fn children_and_worlds_of_the_workers_former_life_are_told_of_again() {
    let mut chrome = Chrome::new();
    chrome.deaf.insert("Target.setAutoAttach");
    chrome.adopt(Former::default());
    chrome.in_order();
    let off = chrome.params("Target.setAutoAttach");
    assert_eq!(off["autoAttach"], false);
    chrome.answer("Target.setAutoAttach", json!({}));
    chrome.serve();
    let on = chrome.params("Target.setAutoAttach");
    assert_eq!(
        (&on["autoAttach"], &on["flatten"]),
        (&json!(true), &json!(true))
    );
}
