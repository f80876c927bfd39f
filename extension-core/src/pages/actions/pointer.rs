//! Where the mouse goes: the element is waited for until it is visible, still, not covered and,
//! for what acts on it, enabled; then its place in the page is known.

use super::{ACT_MAX, ANSWER_TIME};
use crate::pages::element::Element;
use crate::pages::poller::Page;
use protocol::Fault;
use serde_json::{Value, json};
use std::time::Duration;

/// Looks once a frame until the mouse can get at the element within its document, and if `acts` it
/// can be acted on: `{x, y, width: 0, height: 0, w, h, mac}` in a view of `{w, h}`, or after `ms`
/// `{why}`, or `{again}` to scroll, or `{gone}` (see [`Element::act`]). A frame is one of the page's,
/// or 50 ms in a page that paints none.
const READY: &str = "async function (ms, again, acts) {
  const el = this.nodeType === 1 ? this : this.parentElement;
  const start = performance.now();
  const frame = () => new Promise((done) => { requestAnimationFrame(done); setTimeout(done, 50); });
  const inside = (node) => {
    for (; node; node = node.assignedSlot ?? node.parentNode ?? node.host) if (node === el) return true;
    return false;
  };
  const told = (node) => {
    const id = node.id ? '#' + node.id : '';
    const name = (node.innerText || '').trim().replace(/\\s+/g, ' ').slice(0, 60);
    return '<' + node.localName + id + '>' + (name ? ' \"' + name + '\"' : '');
  };
  const at = () => {
    const rects = [...el.getClientRects()].filter((r) => r.width > 0 && r.height > 0);
    const rect = rects[0];
    if (!rect || getComputedStyle(el).visibility !== 'visible') return { why: 'it is not visible' };
    const left = Math.max(rect.left, 0), right = Math.min(rect.right, innerWidth);
    const top = Math.max(rect.top, 0), bottom = Math.min(rect.bottom, innerHeight);
    return { x: (left + right) / 2, y: (top + bottom) / 2, out: right - left < 1 || bottom - top < 1 };
  };
  let last = null, why = 'it does not hold still';
  for (let fresh = true; ; fresh = false) {
    if (!el || !el.isConnected) return { gone: true };
    let spot = at();
    if (spot.why) {
      why = spot.why;
    } else if (acts && (el.matches(':disabled') || el.closest('[aria-disabled=\"true\"]'))) {
      why = 'it is disabled';
    } else {
      if (spot.out || (fresh && again)) {
        if (!fresh) return { again: true };
        el.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
        again = true;
        spot = at();
      }
      if (spot.out) {
        why = 'it is outside of what can be seen';
      } else if (last && last.x === spot.x && last.y === spot.y) {
        let hit = document.elementFromPoint(spot.x, spot.y);
        while (hit && hit.shadowRoot) {
          const inner = hit.shadowRoot.elementFromPoint(spot.x, spot.y);
          if (!inner || inner === hit) break;
          hit = inner;
        }
        const label = hit && hit.closest('label');
        if (inside(hit) || (label && label.control === el)) {
          const mac = /Mac/.test(navigator.platform);
          return { x: spot.x, y: spot.y, width: 0, height: 0, w: innerWidth, h: innerHeight, mac };
        } else {
          why = hit ? 'it is covered by this\\n' + told(hit) : 'the mouse does not reach it';
        }
        if (!again) return { again: true };
      } else {
        why = 'it does not hold still';
      }
      last = spot;
    }
    if (performance.now() - start >= ms) return { why };
    await frame();
  }
}";

/// Scrolls whatever can be scrolled, around its frame too.
const CENTER: &str = "function () {
  this.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
  return {};
}";
/// Between two looks at an element whose frame is in the way, or moves.
const AGAIN: Duration = Duration::from_millis(20);

/// A place in the page, in CSS pixels from the corner of what is in view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spot {
    x: f64,
    y: f64,
    /// The page runs on a Mac.
    pub(super) mac: bool,
}

impl Spot {
    /// The element's, as soon as the mouse can get at it; `acts`: and it is enabled.
    ///
    /// # Errors
    /// `stale_ref`; `not_actionable`, saying what is in the way.
    pub(super) async fn of(page: &Page, element: &Element<'_>, acts: bool) -> Result<Self, Fault> {
        let at = page.now() + ACT_MAX.min(page.left(ANSWER_TIME));
        let (mut last, mut scrolled) = (None, false);
        let mut outside = None;
        loop {
            let own = element.act(READY, at, json!(acts)).await?;
            if let Some(why) = own["why"].as_str() {
                // With no time left it cannot be seen to hold still: then it is its frame.
                return Err(element.not_actionable(outside.as_deref().unwrap_or(why)));
            }
            let mac = own["mac"] == true;
            let place = element.outwards(own).await?;
            let side = |name: &str| place[name].as_f64().unwrap_or_default();
            let (x, y) = (side("x"), side("y"));
            let spot = Self { x, y, mac };
            match place["why"].as_str() {
                // A frame may move in the page around it.
                None if !element.is_framed() || last == Some(spot) => return Ok(spot),
                None => last = Some(spot),
                Some(why) if page.now() >= at => return Err(element.not_actionable(why)),
                Some(_) if place["out"] == true && !scrolled => {
                    scrolled = true;
                    element.call(CENTER, json!([])).await?;
                }
                Some(why) => (last, outside) = (None, Some(why.to_owned())),
            }
            page.sleep_until(page.now() + AGAIN).await;
        }
    }

    /// The middle of what is in view.
    ///
    /// # Errors
    /// Those of a command.
    pub(super) async fn middle(page: &Page) -> Result<Self, Fault> {
        let metrics = page.command("Page.getLayoutMetrics", json!({})).await?;
        let view = &metrics["cssVisualViewport"];
        let half = |side: &str| view[side].as_f64().unwrap_or_default() / 2.0;
        let (x, y) = (half("clientWidth"), half("clientHeight"));
        Ok(Self { x, y, mac: false })
    }

    /// An `Input.dispatchMouseEvent` there; the rest is its caller's.
    pub(super) fn mouse(self, kind: &str) -> Value {
        json!({
            "type": kind, "x": self.x, "y": self.y,
            "modifiers": 0, "button": "none", "buttons": 0, "clickCount": 0,
        })
    }
}
