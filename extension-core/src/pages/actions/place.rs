//! Where the page is when a call ends, which every answer names. While a script runs or the page is
//! read, Chrome is asked meanwhile, so that nobody waits for it, and asked again only when it has told
//! news of the tab since: what a script makes of address and title it tells before the script's answer.
//! What is done by mouse or keys the page may follow up later, so after it Chrome is asked at the end.

use super::shown;
use crate::effect::ChromeCall;
use crate::pages::poller::{Answer, Page};
use protocol::{Command, Fault, Instant};
use std::time::Duration;

/// An answer this old is asked for again: its call took so long that a millisecond more is nothing,
/// and no one need trust for longer that Chrome has told all.
const FRESH: Duration = Duration::from_secs(1);

/// A question that is under way.
pub(super) struct Place {
    answer: Answer,
    asked: Instant,
    /// How much had been told of the tab by then.
    told: u64,
}

impl Place {
    /// Whether the answer to a question asked while `command` runs can hold when it ends.
    pub(super) fn is_asked_meanwhile(command: &Command) -> bool {
        command.reads_only() || matches!(command, Command::Evaluate(_))
    }

    pub(super) fn ask(page: &Page) -> Self {
        Self {
            asked: page.now(),
            told: page.facts().told,
            answer: page.chrome_aside(ChromeCall::GetTab { tab: page.tab() }),
        }
    }

    fn holds(&self, page: &Page) -> bool {
        page.facts().told == self.told && page.now().since(self.asked) < FRESH
    }

    /// URL and title of the tab as they are now.
    ///
    /// # Errors
    /// `tab_gone`.
    pub(super) async fn name(mut self, page: &Page) -> Result<(String, String), Fault> {
        let early = if self.holds(page) {
            (&mut self.answer).await.ok()
        } else {
            None
        };
        let now = match early.filter(|_| self.holds(page)) {
            Some(tab) => Ok(tab),
            None => page.chrome(ChromeCall::GetTab { tab: page.tab() }).await,
        };
        now.map(|tab| shown(&tab)).map_err(|_| Fault::TabGone {
            tab: page.tab(),
            url: Some(page.facts().url.clone()),
        })
    }
}
