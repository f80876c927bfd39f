//! The frames of a page as Chrome has them now. Every call that needs them asks anew, so that
//! there is no table to go stale: a ref names its document, and a document that is no more is in
//! no frame.

use super::element;
use super::facts::frames::{Session, may_be_read};
use super::facts::text;
use super::poller::{Answer, Page};
use crate::input::ChromeError;
use serde_json::{Value, json};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// A frame of another process tells its children within milliseconds. One that is busy for longer
/// is left out rather than waited for.
const SETTLE_MAX: Duration = Duration::from_secs(1);
/// How long a frame of another process may take for an answer.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(2);

/// A frame, and the session that it is spoken to by.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) id: String,
    /// Names its document.
    pub(super) loader: String,
    pub(super) url: String,
    /// The frame around it; none for the page itself.
    pub(super) parent: Option<String>,
    pub(super) session: Session,
}

/// One frame further out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hop {
    /// The frame that is left.
    pub(super) frame: String,
    /// The session of the document around it.
    pub(super) session: Session,
}

/// Where a document is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) session: Session,
    /// Its frame.
    pub(super) frame: String,
    /// From its frame outwards to the page.
    pub(super) way: Vec<Hop>,
}

impl Frame {
    /// The mark of its document in refs.
    pub(super) fn mark(&self) -> String {
        match self.parent {
            None => element::mark(&self.loader),
            Some(_) => element::frame_mark(&self.loader),
        }
    }

    /// Nothing is read from other frames, and nothing done in them.
    pub(super) fn may_be_read(&self) -> bool {
        may_be_read(&self.url)
    }
}

/// Waits until the frames that other processes draw are known, or until one of them is too slow.
pub(super) async fn settled(page: &Page) {
    let at = page.now() + SETTLE_MAX.min(page.left(Duration::ZERO));
    let seen = page.until(at, |facts| facts.frames.settled().then_some(()));
    if seen.await.is_none() {
        page.change_facts(|facts| facts.frames.give_up());
    }
}

/// The tab's session and those of its children.
pub(super) fn sessions(page: &Page) -> Vec<Session> {
    let facts = page.facts();
    let children = facts.frames.children();
    let children = children.map(|(session, _)| Some(session.clone()));
    std::iter::once(None).chain(children).collect()
}

/// The document whose mark this is, if it is still in a frame that may be read.
pub(super) async fn find(page: &Page, mark: &str) -> Option<Place> {
    if let Some(found) = look_for(page, mark).await {
        return Some(found);
    }
    if page.facts().frames.settled() {
        return None;
    }
    settled(page).await;
    look_for(page, mark).await
}

/// Asks all sessions for their frames, and does not wait for those that are not needed.
async fn look_for(page: &Page, mark: &str) -> Option<Place> {
    let mut asked: Vec<(Session, Answer)> = sessions(page)
        .into_iter()
        .map(|session| {
            let answer = page.of(&session).aside("Page.getFrameTree", json!({}));
            (session, answer)
        })
        .collect();
    let mut late = pin!(page.sleep_until(page.now() + ANSWER_MAX));
    let mut all = Vec::new();
    poll_fn(|context| {
        asked.retain_mut(|(session, answer)| match Pin::new(answer).poll(context) {
            Poll::Ready(outcome) => {
                all.extend(read(session, Some(outcome)));
                false
            }
            Poll::Pending => true,
        });
        let found = place(&all, mark);
        if found.is_some() || asked.is_empty() || late.as_mut().poll(context).is_ready() {
            return Poll::Ready(found);
        }
        Poll::Pending
    })
    .await
}

/// None when the document, or a frame around it, is not among them.
fn place(all: &[Frame], mark: &str) -> Option<Place> {
    let mut all_read = all.iter().filter(|it| it.may_be_read());
    let own = all_read.find(|it| it.mark() == mark)?;
    Some(Place {
        session: own.session.clone(),
        frame: own.id.clone(),
        way: way(all, own)?,
    })
}

/// The frames of one session, from its answer to `Page.getFrameTree`.
pub(super) fn read(session: &Session, answer: Option<Result<Value, ChromeError>>) -> Vec<Frame> {
    let Some(Ok(answer)) = answer else {
        return Vec::new();
    };
    let mut open = vec![&answer["frameTree"]];
    let mut all = Vec::new();
    while let Some(tree) = open.pop() {
        let frame = &tree["frame"];
        all.push(Frame {
            id: text(frame, "id").to_owned(),
            loader: text(frame, "loaderId").to_owned(),
            url: text(frame, "url").to_owned(),
            parent: frame["parentId"].as_str().map(str::to_owned),
            session: session.clone(),
        });
        open.extend(tree["childFrames"].as_array().into_iter().flatten());
    }
    all
}

/// None when a frame on it is not known, or around itself.
fn way(all: &[Frame], from: &Frame) -> Option<Vec<Hop>> {
    let mut way = Vec::new();
    let mut at = from;
    while let Some(parent) = &at.parent {
        let around = all.iter().find(|frame| frame.id == *parent)?;
        way.push(Hop {
            frame: at.id.clone(),
            session: around.session.clone(),
        });
        if way.len() > all.len() {
            return None;
        }
        at = around;
    }
    Some(way)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: &str, parent: Option<&str>) -> Value {
        json!({"id": id, "loaderId": format!("L{id}"), "url": "http://a/", "parentId": parent})
    }

    #[test]
    fn the_way_out_leads_through_the_sessions_of_the_documents_around() {
        let top = json!({"frameTree": {"frame": frame("F", None),
            "childFrames": [{"frame": frame("A", Some("F"))}]}});
        let below = json!({"frameTree": {"frame": frame("B", Some("A")),
            "childFrames": [{"frame": frame("C", Some("B"))}]}});
        let child: Session = Some("s".into());
        let mut all = read(&None, Some(Ok(top)));
        all.extend(read(&child, Some(Ok(below))));
        let inner = all.iter().find(|frame| frame.id == "C").unwrap();
        let hop = |frame: &str, session: &Session| Hop {
            frame: frame.into(),
            session: session.clone(),
        };
        let expected = [hop("C", &child), hop("B", &None), hop("A", &None)];
        assert_eq!(way(&all, inner), Some(expected.to_vec()));
        let page = all.iter().find(|frame| frame.id == "F").unwrap();
        assert_eq!(way(&all, page), Some(vec![]));
    }

    #[test]
    fn a_frame_whose_surroundings_are_not_known_has_no_way_out() {
        let alone = json!({"frameTree": {"frame": frame("B", Some("A"))}});
        let all = read(&None, Some(Ok(alone)));
        assert_eq!(way(&all, &all[0]), None);
        let circle = json!({"frameTree": {"frame": frame("B", Some("B"))}});
        let all = read(&None, Some(Ok(circle)));
        assert_eq!(way(&all, &all[0]), None);
    }
}
