//! The window that the person works in, and giving it back when an agent's popup or press took the
//! keyboard from it. Chrome tells which window has the keyboard, never who put it there.

use super::*;

/// Chrome may tell that a popup has raised its window before it tells of the popup.
const TOLD_LATE: Duration = Duration::from_millis(500);

impl House {
    /// At boot: events tell of changes only.
    pub fn find_persons(&mut self) {
        self.ask(Request::Persons, ChromeCall::FocusedWindow);
    }

    pub(super) fn found_persons(&mut self, window: Option<i64>) {
        self.persons = self.persons.or(window);
    }

    /// A window got the keyboard. One that a popup raised gives it back at once, one in which an
    /// agent presses when the press is through; in any other the person works from now on.
    pub fn handle_focused(&mut self, window: i64, now: Instant) {
        let now = self.awake(now);
        if self.persons == Some(window) || self.pressed.contains(&window) {
            return;
        }
        if self.timers.clear(&Timer::Raised(window))
            && let Some(persons) = self.persons
        {
            return self.return_front(window, persons);
        }
        self.before = self.persons.map(|before| (before, now));
        self.persons = Some(window);
    }

    /// A page in `opener` opened a tab in `window`, which Chrome raises for it. Where the person looks
    /// at the opener, it may be they who opened it.
    pub(super) fn popup_raises(&mut self, opener: TabId, window: i64, now: Instant) {
        let shown = |window: i64| {
            self.active
                .get(&window)
                .is_some_and(|pair| pair.0 == opener)
        };
        let before = self.before.filter(|(_, at)| now <= *at + TOLD_LATE);
        match (self.persons, before) {
            (Some(persons), _) if persons != window => {
                if !shown(persons) {
                    let until = now + POPUP_ACTIVATES;
                    self.timers.set(Timer::Raised(window), until);
                }
            }
            (Some(_), Some((before, _))) if !shown(before) => {
                self.persons = Some(before);
                self.before = None;
                self.return_front(window, before);
            }
            // They work there themselves, or nobody knows where.
            (Some(_), Some(_) | None) | (None, _) => {}
        }
    }

    /// An agent presses the mouse in the window `own`, and the person is in `persons`.
    pub fn lend_front(&mut self, own: i64, persons: i64) {
        // Where another agent presses, nobody works.
        if !self.pressed.contains(&persons) {
            self.persons = Some(persons);
        }
        self.pressed.insert(own);
    }

    /// The press is through. Where the window manager is slow, it raises the window only now, which
    /// is no choice of the person's.
    pub fn give_front_back(&mut self, own: i64, persons: i64, now: Instant) {
        let now = self.awake(now);
        self.pressed.remove(&own);
        if own != persons {
            self.timers.set(Timer::Raised(own), now + TOLD_LATE);
        }
        self.return_front(own, persons);
    }

    /// A press or a popup may have brought the window `own` to the front: the person's gets it back,
    /// unless they have gone on to another one, or to another program.
    fn return_front(&mut self, own: i64, persons: i64) {
        let what = Request::GiveBack { own, persons };
        self.ask(what, ChromeCall::FocusedWindow);
    }

    pub(super) fn give_back(&mut self, own: i64, persons: i64, front: Option<&Value>) {
        let front = front.filter(|front| front["focused"] == true);
        let front = front.and_then(|front| front["id"].as_i64());
        // A slow window manager has not raised the other one yet.
        if front == Some(own) || front == Some(persons) {
            self.ask(Request::Ignore, ChromeCall::FocusWindow { window: persons });
        }
    }
}
