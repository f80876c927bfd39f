//! The core falls within its worker: what it has sent to the disk lands, what Chrome tells meanwhile waits
//! for the next one, and what was on its way to the fallen core reaches nobody. The third within a
//! minute starts with what [`emptied`] leaves of the store.

use super::World;
use super::deaths::Death;
use extension_core::extension::emptied;
use extension_core::house::MARK;
use extension_core::store::replacing;
use protocol::TabId;
use std::time::Duration;

/// Until the next core has asked Chrome for what there is.
const STARTING: Duration = Duration::from_millis(10);

impl World {
    /// It falls now; `third`: for the third time within a minute.
    pub(super) fn fall(&mut self, third: bool) -> Result<(), String> {
        if self.asleep.is_some() {
            return Ok(());
        }
        self.remember_fault(if third {
            "fault: core fell for the third time"
        } else {
            "fault: core fell"
        });
        self.end_worker(Death {
            delay: Some(STARTING),
            ..Death::SUDDEN
        })?;
        if third {
            self.empty_store();
            if let Some(asleep) = &mut self.asleep {
                asleep.kept.clear();
            }
        }
        Ok(())
    }

    /// The tabs of sessions are the person's, with what their pages open and the dialogs in them. Only those
    /// that were half made are closed.
    fn empty_store(&mut self) {
        let recorded = |tab: &TabId| self.storage.contains_key(&format!("tab/{tab}"));
        for (id, tab) in &mut self.chrome.tabs {
            let nonce = tab
                .url
                .strip_prefix(MARK)
                .map(|nonce| format!("making/{nonce}"));
            tab.made &= nonce.is_some_and(|intent| self.storage.contains_key(&intent));
            if !recorded(id) && tab.former.is_some_and(|old| recorded(&old)) {
                // Its new id never came to the disk: nobody knows what it was.
                tab.group = -1;
            }
        }
        self.chrome.leave_dialogs(|_| true, &mut self.chance);
        let kept = emptied(&self.storage);
        let (set, remove) = replacing(&self.storage, &kept);
        self.land(set, &remove);
        self.take_from_chrome();
    }
}
