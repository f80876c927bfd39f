//! `browser_click`: a real click where the element really is. When the mouse can get at it, it is
//! moved, pressed and released, and the page is given time to answer: one painted frame, and the
//! navigation that it began.

use super::pointer::Spot;
use super::{cast_off, cast_on, front, keyboard, painted, ready, settle};
use crate::pages::element::Element;
use crate::pages::poller::Page;
use protocol::Fault;
use protocol::command::{Button, Click, PageResult};
use serde_json::json;

/// # Errors
/// `stale_ref`; `not_actionable`, saying what is in the way.
pub(super) async fn run(page: &Page, click: Click) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    ready(page).await;
    page.waiting_for("the element to be clickable");
    let element = Element::find(page, &click.target).await?;
    cast_on(page).await;
    let spot = Spot::of(page, &element, true).await?;
    page.waiting_for("the page to take the click");
    front::lend(page).await;
    press(page, &click, spot).await?;
    front::give_back(page);
    element.release();
    painted(page).await;
    cast_off(page);
    settle(page, &mut result).await;
    Ok(result)
}

async fn press(page: &Page, click: &Click, spot: Spot) -> Result<(), Fault> {
    let (button, bit) = match click.button {
        Button::Left => ("left", 1),
        Button::Right => ("right", 2),
        Button::Middle => ("middle", 4),
    };
    let keys = keyboard::bits(&click.modifiers, spot.mac);
    let send = |kind: &str, button: &str, buttons: u8, count: u8| {
        let mut event = spot.mouse(kind);
        event["modifiers"] = json!(keys);
        event["button"] = json!(button);
        event["buttons"] = json!(buttons);
        event["clickCount"] = json!(count);
        page.command("Input.dispatchMouseEvent", event)
    };
    // Sent together: the press makes Chrome deliver the move at once instead of with the next
    // frame. They arrive in order, and no end of the call comes between press and release.
    let mut sent = vec![send("mouseMoved", "none", 0, 0)];
    let clicks = if click.double_click { 2 } else { 1 };
    for count in 1..=clicks {
        sent.push(send("mousePressed", button, bit, count));
        sent.push(send("mouseReleased", button, 0, count));
    }
    for one in sent {
        one.await?;
    }
    Ok(())
}
