//! `browser_hover`: brings the mouse over an element and leaves it there, so that menus open and
//! tips show. The element may be disabled: its tip says why.

use super::pointer::Spot;
use super::{cast_off, cast_on, painted, ready, settle};
use crate::pages::element::Element;
use crate::pages::poller::Page;
use protocol::Fault;
use protocol::command::{Hover, PageResult};

/// # Errors
/// `stale_ref`; `not_actionable`, saying what is in the way.
pub(super) async fn run(page: &Page, hover: Hover) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    ready(page).await;
    page.waiting_for("the mouse to get at the element");
    let element = Element::find(page, &hover.target).await?;
    // A hidden tab is told of moves with its frames, and paints none by itself.
    cast_on(page).await;
    let spot = Spot::of(page, &element, false).await?;
    element.release();
    page.waiting_for("the page to take the mouse");
    page.command("Input.dispatchMouseEvent", spot.mouse("mouseMoved"))
        .await?;
    painted(page).await;
    cast_off(page);
    settle(page, &mut result).await;
    Ok(result)
}
