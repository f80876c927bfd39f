//! `browser_mouse_wheel`: turns the wheel over an element, or in the middle of what is in view, and
//! waits until whatever scrolls stands still: what loads on scrolling then knows of it.

use super::pointer::Spot;
use super::{cast_off, cast_on, promised, ready, settle};
use crate::pages::element::Element;
use crate::pages::poller::Page;
use protocol::Fault;
use protocol::command::{MouseWheel, PageResult};
use serde_json::json;

/// Nothing has scrolled for a tenth of a second, or a second is over: Chrome scrolls smoothly.
const STILL: &str = "new Promise((done) => {
  let quiet;
  const end = () => { removeEventListener('scroll', wait, true); done(); };
  const wait = () => { clearTimeout(quiet); quiet = setTimeout(end, 100); };
  addEventListener('scroll', wait, { capture: true, passive: true });
  setTimeout(end, 1000);
  wait();
})";

/// # Errors
/// `stale_ref`; `not_actionable`, saying what is in the way.
pub(super) async fn run(page: &Page, wheel: MouseWheel) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    ready(page).await;
    // A hidden tab scrolls with its frames, and paints none by itself.
    let spot = if let Some(target) = &wheel.target {
        page.waiting_for("the mouse to get at the element");
        let element = Element::find(page, target).await?;
        cast_on(page).await;
        let spot = Spot::of(page, &element, false).await?;
        element.release();
        spot
    } else {
        cast_on(page).await;
        Spot::middle(page).await?
    };
    page.waiting_for("the page to take the wheel");
    let mut turned = spot.mouse("mouseWheel");
    turned["deltaX"] = json!(wheel.delta_x);
    turned["deltaY"] = json!(wheel.delta_y);
    page.command("Input.dispatchMouseEvent", turned).await?;
    promised(page, STILL).await;
    cast_off(page);
    settle(page, &mut result).await;
    Ok(result)
}
