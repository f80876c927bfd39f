//! `browser_click`: a real click where the element really is. The element is waited for until it
//! is visible, enabled, still and not covered; then the mouse is moved, pressed and released, and
//! the page is given time to answer: one painted frame, and the navigation that it began.

use super::{ACT_MAX, ANSWER_TIME, cast_off, cast_on, painted, ready, settle};
use crate::pages::element::Element;
use crate::pages::poller::Page;
use protocol::Fault;
use protocol::command::{Button, Click, Modifier, PageResult};
use serde_json::{Value, json};

/// Looks once a frame until the element can be clicked: `{x, y, mac}`, or after `ms` `{why}`, or
/// `{gone: true}`. A frame is one of the page's, or 50 ms in a page that paints none.
const READY: &str = "async function (ms) {
  const el = this.nodeType === 1 ? this : this.parentElement;
  const start = performance.now();
  const frame = () => new Promise((done) => { requestAnimationFrame(done); setTimeout(done, 50); });
  const inside = (node) => {
    for (; node; node = node.assignedSlot ?? node.parentNode ?? node.host) if (node === el) return true;
    return false;
  };
  const told = (node) => {
    if (!node) return 'nothing';
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
  // From this frame to the page: where it is, and whether it is what is there.
  const outer = (x, y) => {
    for (let w = window; w !== w.top; w = w.parent) {
      const frame = w.frameElement;
      if (!frame) return { why: 'it is in a frame of another site' };
      const r = frame.getBoundingClientRect();
      x += r.left + frame.clientLeft;
      y += r.top + frame.clientTop;
      const hit = frame.ownerDocument.elementFromPoint(x, y);
      if (hit !== frame) return { why: 'its frame is covered by ' + told(hit) };
    }
    return { x, y };
  };
  let last = null, why = 'it does not hold still', scrolled = false;
  for (;;) {
    if (!el || !el.isConnected) return { gone: true };
    let spot = at();
    if (spot.why) {
      why = spot.why;
    } else if (el.matches(':disabled') || el.closest('[aria-disabled=\"true\"]')) {
      why = 'it is disabled';
    } else {
      if (spot.out || (scrolled === 'again')) {
        el.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
        scrolled = true;
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
          const place = outer(spot.x, spot.y);
          if (!place.why) return { ...place, mac: /Mac/.test(navigator.platform) };
          why = place.why;
        } else {
          why = 'it is covered by ' + told(hit);
        }
        if (!scrolled) scrolled = 'again';
      } else {
        why = 'it does not hold still';
      }
      last = spot;
    }
    if (performance.now() - start > ms) return { why };
    await frame();
  }
}";

/// # Errors
/// `stale_ref`; `not_actionable`, saying what is in the way.
pub(super) async fn run(page: &Page, click: Click) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    ready(page).await;
    page.waiting_for("the element to be clickable");
    let element = Element::find(page, &click.target).await?;
    cast_on(page).await;
    let wait = ACT_MAX.min(page.left(ANSWER_TIME));
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let spot = element.call(READY, json!([millis])).await?;
    if let Some(why) = spot["why"].as_str() {
        return Err(element.not_actionable(why));
    }
    page.waiting_for("the page to take the click");
    press(page, &click, &spot).await?;
    element.release();
    painted(page).await;
    cast_off(page);
    settle(page, &mut result).await;
    Ok(result)
}

async fn press(page: &Page, click: &Click, spot: &Value) -> Result<(), Fault> {
    let (button, bit) = match click.button {
        Button::Left => ("left", 1),
        Button::Right => ("right", 2),
        Button::Middle => ("middle", 4),
    };
    let keys = modifiers(&click.modifiers, spot["mac"] == true);
    let mouse = |kind: &str, button: &str, buttons: u8, count: u8| {
        json!({
            "type": kind, "x": spot["x"], "y": spot["y"], "modifiers": keys,
            "button": button, "buttons": buttons, "clickCount": count,
        })
    };
    let send = |params: Value| page.command("Input.dispatchMouseEvent", params);
    // Sent together: the press makes Chrome deliver the move at once instead of with the next
    // frame. They arrive in order.
    let mut sent = vec![send(mouse("mouseMoved", "none", 0, 0))];
    let clicks = if click.double_click { 2 } else { 1 };
    for count in 1..=clicks {
        let release = mouse("mouseReleased", button, 0, count);
        page.hold(|held| held.button = Some(release.clone()));
        sent.push(send(mouse("mousePressed", button, bit, count)));
        sent.push(send(release));
        page.hold(|held| held.button = None);
    }
    for one in sent {
        one.await?;
    }
    Ok(())
}

/// Alt 1, Control 2, Meta 4, Shift 8.
fn modifiers(held: &[Modifier], mac: bool) -> u8 {
    held.iter().fold(0, |keys, modifier| {
        keys | match (modifier, mac) {
            (Modifier::Alt, _) => 1,
            (Modifier::Control, _) | (Modifier::ControlOrMeta, false) => 2,
            (Modifier::Meta, _) | (Modifier::ControlOrMeta, true) => 4,
            (Modifier::Shift, _) => 8,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_or_meta_is_command_on_a_mac_only() {
        let both = [Modifier::ControlOrMeta, Modifier::Shift];
        assert_eq!(modifiers(&both, true), 12);
        assert_eq!(modifiers(&both, false), 10);
    }
}
