//! What Chrome tells of a tab, and the call that runs there.

use super::*;
use crate::input::BrowserEvent;

fn named(title: &str) -> TabFacts {
    TabFacts {
        title: title.into(),
        ..facts(7)
    }
}

/// Answers all that Chrome is asked, of a tab with this title; gives the caller's script, which runs on.
fn serve(peer: &mut Peer, title: &str) -> Option<RequestId> {
    let mut script = None;
    while !peer.asked.is_empty() {
        let (request, call) = peer.asked.remove(0);
        let outcome = if let ChromeCall::GetTab { .. } = call {
            Ok(json!(named(title)))
        } else if let ChromeCall::Command { method, .. } = call {
            if method == "Runtime.evaluate" {
                script = Some(request);
                continue;
            }
            Ok(json!({"frameTree": {"frame": {"id": "F", "loaderId": "L", "url": facts(7).url}}}))
        } else {
            Ok(json!({}))
        };
        peer.tell(Input::Done { request, outcome });
    }
    script
}

#[test]
fn a_title_that_chrome_told_while_a_script_ran_is_in_the_answer_of_its_call() {
    let mut peer = Peer::with_a_tab();
    serve(&mut peer, "before");
    peer.command("acts", "browser_evaluate", json!({"function": "() => 1"}));
    peer.write();
    let request = serve(&mut peer, "before").expect("the script");
    let news = BrowserEvent::TabUpdated(named("after"));
    peer.tell(Input::Browser(news));
    let outcome = Ok(json!({"result": {"type": "number", "value": 1}}));
    peer.tell(Input::Done { request, outcome });
    serve(&mut peer, "after");
    let Some(Frame::Response(answer)) = peer.heard.last() else {
        panic!("{:?}", peer.heard);
    };
    let Body::Data(data) = &answer.body else {
        panic!("{answer:?}");
    };
    assert_eq!(data["title"], "after");
}
