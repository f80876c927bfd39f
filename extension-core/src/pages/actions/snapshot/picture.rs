//! How a page looks, one picture for each of the debugger's sessions with it: the page with those
//! frames that its process draws, and each frame that another process draws.

use super::LOOK;
use super::document::{self, Document, Documents};
use crate::input::ChromeError;
use crate::pages::facts::frames::{Child, Session, may_be_read};
use crate::pages::frames::{self, ANSWER_MAX, Frame};
use crate::pages::poller::{Answer, Page};
use protocol::{Fault, SortedMap};
use serde_json::{Value, json};
use std::rc::Rc;

/// The answers of one session.
#[derive(Debug)]
struct Taken {
    session: Session,
    frames: Vec<Frame>,
    look: Value,
    /// For a child: its parent's session, and the element there that holds it.
    holder: Option<(Session, i64)>,
}

/// See [`take_all`].
#[derive(Debug)]
pub(super) struct AllTaken {
    taken: Vec<Taken>,
    /// Sessions that did not answer.
    pub(super) missing: usize,
}

/// What was asked of a child.
struct Asked {
    session: Rc<str>,
    child: Child,
    tree: Answer,
    look: Answer,
    holder: Answer,
}

/// Asks all sessions at once which frames they have and how those look, in this order: a frame
/// that navigates in between then has refs of the document that it left, which are stale, and
/// never those of another.
///
/// # Errors
/// Those of the page itself; a frame that does not answer is left out.
pub(super) async fn take_all(page: &Page) -> Result<AllTaken, Fault> {
    let tree = page.aside("Page.getFrameTree", json!({}));
    let look = page.command(LOOK, styles());
    let asked = ask_children(page);
    let look = look.await?;
    let at = page.now() + ANSWER_MAX;
    let frames = frames::read(&None, page.within(at, tree).await);
    let mut all = AllTaken {
        taken: vec![Taken {
            session: None,
            frames,
            look,
            holder: None,
        }],
        missing: 0,
    };
    if all.taken[0].frames.is_empty() {
        // What the page's own process draws in frames is not told apart then.
        all.missing += 1;
    }
    for asked in asked {
        let session = Some(asked.session);
        let frames = frames::read(&session, page.within(at, asked.tree).await);
        let look = page.within(at, asked.look).await;
        let holder = page.within(at, asked.holder).await;
        let (Some(Ok(look)), Some(holder), false) = (look, node(holder), frames.is_empty()) else {
            all.missing += 1;
            continue;
        };
        all.taken.push(Taken {
            session,
            frames,
            look,
            holder: Some((asked.child.parent, holder)),
        });
    }
    Ok(all)
}

fn ask_children(page: &Page) -> Vec<Asked> {
    let children: Vec<(Rc<str>, Child)> = page
        .facts()
        .frames
        .children()
        .map(|(session, child)| (Rc::clone(session), child.clone()))
        .collect();
    let ask = |(session, child): (Rc<str>, Child)| {
        // A frame may hang: none of these keeps the call's turn.
        let own = page.of(&Some(Rc::clone(&session)));
        let owner = json!({"frameId": child.frame});
        Asked {
            tree: own.aside("Page.getFrameTree", json!({})),
            look: own.aside(LOOK, styles()),
            holder: page.of(&child.parent).aside("DOM.getFrameOwner", owner),
            session,
            child,
        }
    };
    children.into_iter().map(ask).collect()
}

fn styles() -> Value {
    json!({"computedStyles": document::STYLES})
}

fn node(answer: Option<Result<Value, ChromeError>>) -> Option<i64> {
    answer?.ok()?["backendNodeId"].as_i64()
}

/// One session's documents, read.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    documents: Documents<'a>,
    /// Of each document the mark of its refs; none for one that may not be read.
    marks: Vec<Option<String>>,
    /// Other pictures, by the element that holds them here.
    hung: SortedMap<i64, usize>,
}

impl<'a> Picture<'a> {
    /// The page first; `mark` is that of its document.
    pub(super) fn read_all(all: &'a AllTaken, mark: &str) -> Vec<Self> {
        let mut pictures: Vec<Self> = all
            .taken
            .iter()
            .map(|taken| Self::read(&taken.look, &taken.frames))
            .collect();
        if let Some(own) = pictures.first_mut().and_then(|page| page.marks.first_mut()) {
            *own = Some(mark.to_owned());
        }
        for (index, taken) in all.taken.iter().enumerate() {
            let Some((parent, holder)) = &taken.holder else {
                continue;
            };
            let around = all.taken.iter().position(|other| other.session == *parent);
            if let Some(picture) = around.and_then(|around| pictures.get_mut(around)) {
                picture.hung.insert(*holder, index);
            }
        }
        pictures
    }

    fn read(look: &'a Value, frames: &[Frame]) -> Self {
        let documents = Documents::read(look);
        let mark = |document: &Document<'_>| {
            let mut found = frames.iter().filter(|it| it.id == document.frame());
            // It may have gone elsewhere since its frames were told.
            let read = |it: &&Frame| it.may_be_read() && may_be_read(document.url());
            found.next().filter(read).map(Frame::mark)
        };
        Self {
            marks: documents.iter().map(mark).collect(),
            documents,
            hung: SortedMap::new(),
        }
    }

    /// A document that may be read.
    pub(super) fn document(&self, index: usize) -> Option<&Document<'a>> {
        self.mark(index)?;
        self.documents.get(index)
    }

    pub(super) fn mark(&self, document: usize) -> Option<&str> {
        self.marks.get(document)?.as_deref()
    }

    /// The picture that hangs in an element.
    pub(super) fn hung_in(&self, backend: i64) -> Option<usize> {
        self.hung.get(&backend).copied()
    }
}

#[cfg(test)]
impl<'a> Picture<'a> {
    /// A page without frames.
    pub(super) fn of_page(look: &'a Value, mark: &str) -> Vec<Self> {
        let documents = Documents::read(look);
        vec![Self {
            marks: vec![Some(mark.to_owned())],
            documents,
            hung: SortedMap::new(),
        }]
    }
}
