//! What events tell of a page's frames: those that another process draws, each a child session of
//! the debugger, and the worlds in which the frames' own scripts run.

use super::text;
use protocol::url;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Child sessions followed in one tab. More frames of other sites than these are advertisements.
pub(in crate::pages) const CHILDREN_MAX: usize = 64;
/// Worlds kept of one tab; a page with more frames is no page to work in.
const WORLDS_MAX: usize = 1_000;

/// The debugger's session with the tab (none), or with a frame that another process draws.
pub(in crate::pages) type Session = Option<Rc<str>>;

/// A frame that another process draws.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::pages) struct Child {
    /// Its frame.
    pub(in crate::pages) frame: String,
    /// The session that it hangs on.
    pub(in crate::pages) parent: Session,
    /// It tells its events, and its own children are known.
    pub(in crate::pages) enabled: bool,
}

/// Where a frame's own scripts run.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::pages) struct World {
    frame: String,
    /// Chrome's number in the session.
    pub(in crate::pages) id: i64,
    /// Chrome's name, which no later world gets again.
    pub(in crate::pages) name: String,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in crate::pages) struct Frames {
    children: BTreeMap<Rc<str>, Child>,
    worlds: BTreeMap<(Session, i64), World>,
    /// Children that were not followed for being too many.
    pub(in crate::pages) lost: usize,
}

/// What an event means beyond the facts.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::pages) enum FrameNews {
    None,
    /// A child session that is to be enabled.
    Attached(Rc<str>),
    /// A child session is no more, nor are those that hung on it.
    Detached,
}

impl Frames {
    /// Takes a debugger event of `session`; those that concern no frames are passed by.
    pub(super) fn event(&mut self, session: &Session, method: &str, params: &Value) -> FrameNews {
        match method {
            "Target.attachedToTarget" => return self.attached(session, params),
            "Target.detachedFromTarget" => {
                let gone = text(params, "sessionId");
                let Some((gone, _)) = self.children.remove_entry(gone) else {
                    return FrameNews::None;
                };
                self.left(&gone);
                return FrameNews::Detached;
            }
            "Runtime.executionContextCreated" => self.world(session, &params["context"]),
            "Runtime.executionContextDestroyed" => {
                let id = params["executionContextId"].as_i64().unwrap_or_default();
                self.worlds.remove(&(session.clone(), id));
            }
            "Runtime.executionContextsCleared" => self.worlds.retain(|key, _| key.0 != *session),
            _ => {}
        }
        FrameNews::None
    }

    /// The children that are known, by session.
    pub(in crate::pages) fn children(&self) -> impl Iterator<Item = (&Rc<str>, &Child)> {
        self.children.iter()
    }

    pub(in crate::pages) fn is_child(&self, session: &str) -> bool {
        self.children.contains_key(session)
    }

    /// The child tells its events now.
    pub(in crate::pages) fn enabled(&mut self, session: &str) {
        if let Some(child) = self.children.get_mut(session) {
            child.enabled = true;
        }
    }

    /// Whether all children are known and tell their events.
    pub(in crate::pages) fn settled(&self) -> bool {
        self.children.values().all(|child| child.enabled)
    }

    /// Where the scripts of `frame` run in `session`.
    pub(in crate::pages) fn world_of(&self, session: &Session, frame: &str) -> Option<&World> {
        let mut worlds = self.worlds.iter();
        let found = worlds.find(|(key, world)| key.0 == *session && world.frame == frame);
        found.map(|(_, world)| world)
    }

    fn attached(&mut self, session: &Session, params: &Value) -> FrameNews {
        let target = &params["targetInfo"];
        // Chrome's own viewers are frames of extensions: nothing of them is asked, ever.
        if text(target, "type") != "iframe" || !may_be_read(text(target, "url")) {
            return FrameNews::None;
        }
        if self.children.len() >= CHILDREN_MAX {
            self.lost += 1;
            return FrameNews::None;
        }
        let own: Rc<str> = text(params, "sessionId").into();
        let child = Child {
            frame: text(target, "targetId").to_owned(),
            parent: session.clone(),
            enabled: false,
        };
        self.children.insert(Rc::clone(&own), child);
        FrameNews::Attached(own)
    }

    /// A session has ended, and with it those that hung on it.
    fn left(&mut self, session: &Rc<str>) {
        let gone = Some(Rc::clone(session));
        self.worlds.retain(|key, _| key.0 != gone);
        let below: Vec<Rc<str>> = self
            .children
            .iter()
            .filter(|(_, child)| child.parent == gone)
            .map(|(session, _)| Rc::clone(session))
            .collect();
        for session in below {
            self.children.remove(&session);
            self.left(&session);
        }
    }

    fn world(&mut self, session: &Session, context: &Value) {
        let of = &context["auxData"];
        // Others are extensions' worlds.
        if of["isDefault"] != true || self.worlds.len() >= WORLDS_MAX {
            return;
        }
        let id = context["id"].as_i64().unwrap_or_default();
        let world = World {
            frame: text(of, "frameId").to_owned(),
            id,
            name: text(context, "uniqueId").to_owned(),
        };
        self.worlds.insert((session.clone(), id), world);
    }
}

/// Whether a frame at this URL may be read and acted on: as a page, or written by its page.
pub(in crate::pages) fn may_be_read(url: &str) -> bool {
    url::may_stay(url) || url == "about:srcdoc"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn attach(frames: &mut Frames, parent: Option<&str>, session: &str, url: &str) -> FrameNews {
        let parent: Session = parent.map(Into::into);
        let params = json!({"sessionId": session, "targetInfo": {
            "type": "iframe", "targetId": format!("F{session}"), "url": url}});
        frames.event(&parent, "Target.attachedToTarget", &params)
    }

    fn world(frames: &mut Frames, session: &Session, id: i64, frame: &str, own: bool) {
        let context = json!({"id": id, "uniqueId": format!("u{id}"),
            "auxData": {"isDefault": own, "frameId": frame}});
        let created = json!({"context": context});
        frames.event(session, "Runtime.executionContextCreated", &created);
    }

    #[test]
    fn a_child_takes_those_below_it_along() {
        let mut frames = Frames::default();
        attach(&mut frames, None, "a", "http://a/");
        attach(&mut frames, Some("a"), "b", "http://b/");
        attach(&mut frames, None, "c", "about:srcdoc");
        world(&mut frames, &Some("b".into()), 1, "Fb", true);
        let gone = json!({"sessionId": "a", "targetId": "Fa"});
        let news = frames.event(&None, "Target.detachedFromTarget", &gone);
        assert_eq!(news, FrameNews::Detached);
        let left: Vec<&str> = frames.children().map(|(session, _)| &**session).collect();
        assert_eq!(left, ["c"]);
        assert_eq!(frames.world_of(&Some("b".into()), "Fb"), None);
    }

    #[test]
    fn a_frame_of_an_extension_is_never_followed() {
        let mut frames = Frames::default();
        for url in [
            "chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai/index.html",
            "file:///etc/passwd",
            "chrome://settings/",
        ] {
            assert_eq!(attach(&mut frames, None, "a", url), FrameNews::None);
        }
        let worker =
            json!({"sessionId": "w", "targetInfo": {"type": "worker", "url": "http://a/"}});
        let news = frames.event(&None, "Target.attachedToTarget", &worker);
        assert_eq!(news, FrameNews::None);
        assert_eq!(frames.children().count(), 0);
    }

    #[test]
    fn a_world_is_a_frames_own_until_its_document_goes() {
        let mut frames = Frames::default();
        let child: Session = Some("a".into());
        world(&mut frames, &None, 1, "F", false);
        world(&mut frames, &None, 2, "F", true);
        world(&mut frames, &child, 1, "G", true);
        let name = |frames: &Frames, session: &Session, frame: &str| {
            frames.world_of(session, frame).map(|world| world.id)
        };
        assert_eq!(name(&frames, &None, "F"), Some(2));
        assert_eq!(name(&frames, &None, "G"), None, "of another session");
        frames.event(&None, "Runtime.executionContextsCleared", &json!({}));
        assert_eq!(name(&frames, &None, "F"), None);
        assert_eq!(name(&frames, &child, "G"), Some(1));
        let gone = json!({"executionContextId": 1});
        frames.event(&child, "Runtime.executionContextDestroyed", &gone);
        assert_eq!(name(&frames, &child, "G"), None);
    }

    #[test]
    fn children_and_worlds_are_bounded() {
        let mut frames = Frames::default();
        for number in 0..CHILDREN_MAX + 2 {
            attach(&mut frames, None, &number.to_string(), "http://a/");
        }
        assert_eq!((frames.children().count(), frames.lost), (CHILDREN_MAX, 2));
        for id in 0..2_000 {
            world(&mut frames, &None, id, "F", true);
        }
        assert_eq!(frames.worlds.len(), WORLDS_MAX);
    }
}
