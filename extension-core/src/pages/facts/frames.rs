//! What events tell of a page's frames: those that another process draws, each a child session of
//! the debugger, and the worlds in which the frames' own scripts run.

use super::console::Past;
use super::text;
use protocol::{SortedMap, url};
use serde_json::Value;
use std::rc::Rc;

/// Child sessions followed in one tab. More frames of other sites than these are advertisements.
const CHILDREN_MAX: usize = 64;
/// Child sessions known in one tab, followed or not.
const KNOWN_MAX: usize = 1_000;
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
    past: Past,
    stage: Stage,
    /// It was waited for in vain.
    given_up: bool,
}

/// How far a child session is. One keeps its session when it goes elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Chrome has not said yet what it shows.
    Unknown,
    /// No agent may be there: nothing is asked of it, and nothing that it tells is taken.
    Forbidden,
    /// There are too many.
    Refused,
    /// Being told to speak.
    Enabling,
    /// It tells its events, and its own children are known.
    Enabled,
    /// Its process is gone.
    Crashed,
}

impl Child {
    fn is_heard(&self) -> bool {
        match self.stage {
            Stage::Enabling | Stage::Enabled => true,
            Stage::Unknown | Stage::Forbidden | Stage::Refused | Stage::Crashed => false,
        }
    }
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
    /// Of the tab's own session.
    past: Past,
    children: SortedMap<Rc<str>, Child>,
    worlds: SortedMap<(Session, i64), World>,
}

/// What an event means beyond the facts.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::pages) enum FrameNews {
    None,
    /// A child session that is to be enabled.
    Attached(Rc<str>),
    /// A child session is no more or not to be heard, nor are those that hung on it.
    Detached,
}

impl Frames {
    /// Of a tab whose past is its owner's.
    pub(super) fn with_own_past() -> Self {
        Self {
            past: Past::is_owners(),
            ..Self::default()
        }
    }

    /// Without a debugger; whose past the next one meets is all that is known. While a child has
    /// not told what it said before the owner's time, nothing that it tells is the owner's.
    pub(super) fn detached(&self) -> Self {
        let mut pasts = self.children.values().map(|child| child.past);
        if self.past.is_own() && pasts.all(Past::is_own) {
            Self::with_own_past()
        } else {
            Self::default()
        }
    }

    /// What a session tells again; nothing of one that is not known.
    pub(super) fn past(&self, session: &Session) -> Past {
        let Some(session) = session else {
            return self.past;
        };
        let child = self.children.get(session);
        child.map(|child| child.past).unwrap_or_default()
    }

    pub(super) fn past_mut(&mut self, session: &Session) -> Option<&mut Past> {
        let Some(session) = session else {
            return Some(&mut self.past);
        };
        Some(&mut self.children.get_mut(session)?.past)
    }

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
            "Target.targetInfoChanged" => return self.shows(&params["targetInfo"]),
            "Inspector.targetCrashed" => return self.shut(session, Stage::Crashed),
            // Or whatever else shows that it lives again.
            "Inspector.targetReloadedAfterCrash" | "Runtime.executionContextCreated"
                if self.stage(session) == Some(Stage::Crashed) =>
            {
                return self.open(session);
            }
            _ if !self.is_heard(session) => {}
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

    /// The children that may be asked, by session.
    pub(in crate::pages) fn children(&self) -> impl Iterator<Item = (&Rc<str>, &Child)> {
        self.children.iter().filter(|(_, child)| child.is_heard())
    }

    pub(in crate::pages) fn is_child(&self, session: &str) -> bool {
        self.children.contains_key(session)
    }

    /// Whether what a session tells is taken; the tab's own always is.
    pub(in crate::pages) fn is_heard(&self, session: &Session) -> bool {
        let Some(session) = session else {
            return true;
        };
        self.children.get(session).is_some_and(Child::is_heard)
    }

    /// The child tells its events now.
    pub(in crate::pages) fn enabled(&mut self, session: &str) {
        if let Some(child) = self.children.get_mut(session) {
            child.stage = Stage::Enabled;
        }
    }

    /// Children that are not read though an agent may be there.
    pub(in crate::pages) fn lost(&self) -> usize {
        let lost = |child: &&Child| matches!(child.stage, Stage::Refused | Stage::Crashed);
        self.children.values().filter(lost).count()
    }

    /// Whether all children tell their events, or were waited for before.
    pub(in crate::pages) fn settled(&self) -> bool {
        self.children.values().all(|child| match child.stage {
            Stage::Unknown | Stage::Enabling => child.given_up,
            Stage::Forbidden | Stage::Refused | Stage::Enabled | Stage::Crashed => true,
        })
    }

    /// Whoever does not tell its events by now is not waited for again.
    pub(in crate::pages) fn give_up(&mut self) {
        for child in self.children.values_mut() {
            child.given_up = true;
        }
    }

    /// Where the scripts of `frame` run in `session`.
    pub(in crate::pages) fn world_of(&self, session: &Session, frame: &str) -> Option<&World> {
        let mut worlds = self.worlds.iter();
        let found = worlds.find(|(key, world)| key.0 == *session && world.frame == frame);
        found.map(|(_, world)| world)
    }

    fn attached(&mut self, session: &Session, params: &Value) -> FrameNews {
        let target = &params["targetInfo"];
        let too_many = self.children.len() >= KNOWN_MAX;
        if text(target, "type") != "iframe" || too_many || !self.is_heard(session) {
            return FrameNews::None;
        }
        let refused = |child: &&Child| child.stage == Stage::Refused;
        let count = self.children.len() - self.children.values().filter(refused).count();
        let child = Child {
            frame: text(target, "targetId").to_owned(),
            parent: session.clone(),
            // What hangs on a session before that has told its past may be as old.
            past: if self.past(session).is_own() {
                Past::is_owners()
            } else {
                Past::default()
            },
            stage: if count < CHILDREN_MAX {
                Stage::Unknown
            } else {
                Stage::Refused
            },
            given_up: false,
        };
        self.children
            .insert(text(params, "sessionId").into(), child);
        self.shows(target)
    }

    /// What a frame shows now. Chrome says it of one that goes to another process only after that.
    fn shows(&mut self, target: &Value) -> FrameNews {
        let (frame, url) = (text(target, "targetId"), text(target, "url"));
        let mut children = self.children.iter();
        let Some((session, child)) = children.find(|(_, child)| child.frame == frame) else {
            return FrameNews::None;
        };
        let (session, stage) = (Some(Rc::clone(session)), child.stage);
        match stage {
            _ if url.is_empty() => FrameNews::None,
            Stage::Refused | Stage::Crashed => FrameNews::None,
            // Chrome's own viewers are frames of extensions: nothing of them is asked, ever.
            Stage::Unknown | Stage::Enabling | Stage::Enabled if !may_be_read(url) => {
                self.shut(&session, Stage::Forbidden)
            }
            Stage::Unknown | Stage::Forbidden if may_be_read(url) => self.open(&session),
            Stage::Unknown | Stage::Forbidden | Stage::Enabling | Stage::Enabled => FrameNews::None,
        }
    }

    fn stage(&self, session: &Session) -> Option<Stage> {
        Some(self.children.get(session.as_ref()?)?.stage)
    }

    /// A child is to be told to speak.
    fn open(&mut self, session: &Session) -> FrameNews {
        let Some(own) = session else {
            return FrameNews::None;
        };
        let Some(child) = self.children.get_mut(own) else {
            return FrameNews::None;
        };
        child.stage = Stage::Enabling;
        child.given_up = false;
        FrameNews::Attached(Rc::clone(own))
    }

    /// A child is not heard from here on.
    fn shut(&mut self, session: &Session, stage: Stage) -> FrameNews {
        let Some(own) = session else {
            return FrameNews::None;
        };
        let Some(child) = self.children.get_mut(own) else {
            return FrameNews::None;
        };
        child.stage = stage;
        self.left(own);
        FrameNews::Detached
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

    fn shows(frames: &mut Frames, session: &str, url: &str) -> FrameNews {
        let target = json!({"targetInfo": {
            "type": "iframe", "targetId": format!("F{session}"), "url": url}});
        frames.event(&None, "Target.targetInfoChanged", &target)
    }

    const VIEWER: &str = "chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai/index.html";

    #[test]
    fn a_frame_that_goes_to_another_process_is_followed_once_chrome_says_what_it_shows() {
        let mut frames = Frames::default();
        assert_eq!(attach(&mut frames, None, "a", ""), FrameNews::None);
        assert!(!frames.settled() && frames.children().count() == 0);
        let news = shows(&mut frames, "a", "http://a/");
        assert_eq!(news, FrameNews::Attached("a".into()));
        assert!(!frames.settled());
        frames.enabled("a");
        assert!(frames.settled());
        assert_eq!(shows(&mut frames, "a", "http://a/b"), FrameNews::None);
    }

    #[test]
    fn a_frame_is_heard_only_while_it_shows_what_an_agent_may_read() {
        let mut frames = Frames::default();
        let own: Session = Some("a".into());
        attach(&mut frames, None, "a", "http://a/");
        world(&mut frames, &own, 1, "Fa", true);
        assert_eq!(shows(&mut frames, "a", VIEWER), FrameNews::Detached);
        world(&mut frames, &own, 2, "Fa", true);
        assert_eq!(frames.world_of(&own, "Fa"), None);
        assert!(!frames.is_heard(&own) && frames.settled());
        let back = shows(&mut frames, "a", "http://a/");
        assert_eq!(back, FrameNews::Attached("a".into()));
        assert!(frames.is_heard(&own));
    }

    #[test]
    fn a_frame_that_crashed_is_missed_and_heard_again_when_it_lives() {
        for sign in [
            "Inspector.targetReloadedAfterCrash",
            "Runtime.executionContextCreated",
        ] {
            let mut frames = Frames::default();
            let own: Session = Some("a".into());
            attach(&mut frames, None, "a", "http://a/");
            frames.enabled("a");
            let news = frames.event(&own, "Inspector.targetCrashed", &json!({}));
            assert_eq!(news, FrameNews::Detached);
            assert_eq!((frames.children().count(), frames.lost()), (0, 1));
            let news = frames.event(&own, sign, &json!({}));
            assert_eq!(news, FrameNews::Attached("a".into()), "{sign}");
            assert_eq!((frames.children().count(), frames.lost()), (1, 0));
        }
    }

    #[test]
    fn a_frame_that_does_not_answer_is_waited_for_once() {
        let mut frames = Frames::default();
        attach(&mut frames, None, "a", "http://a/");
        assert!(!frames.settled());
        frames.give_up();
        assert!(frames.settled());
        attach(&mut frames, None, "b", "http://b/");
        assert!(!frames.settled());
    }

    #[test]
    fn a_frame_of_an_extension_is_never_followed() {
        let mut frames = Frames::default();
        for (session, url) in [
            ("a", VIEWER),
            ("b", "file:///etc/passwd"),
            ("c", "chrome://settings/"),
        ] {
            let news = attach(&mut frames, None, session, url);
            assert_eq!(news, FrameNews::Detached);
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
        attach(&mut frames, None, "a", "http://a/");
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
        assert_eq!(
            (frames.children().count(), frames.lost()),
            (CHILDREN_MAX, 2)
        );
        let gone = json!({"sessionId": CHILDREN_MAX.to_string()});
        frames.event(&None, "Target.detachedFromTarget", &gone);
        assert_eq!(frames.lost(), 1);
        for id in 0..2_000 {
            world(&mut frames, &None, id, "F", true);
        }
        assert_eq!(frames.worlds.len(), WORLDS_MAX);
    }
}
