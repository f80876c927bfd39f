//! `browser_take_screenshot`: what is in view, the whole page, or one element. A hidden tab paints
//! only while a screencast runs: a tiny one runs around the capture, whose frames nobody wants.

use super::{ANSWER_TIME, cast_off, cast_on, ready};
use crate::pages::element::Element;
use crate::pages::facts::text;
use crate::pages::poller::Page;
use protocol::command::{Image, ImageFormat, PageResult, Screenshot};
use protocol::{Fault, limits};
use serde_json::{Value, json};
use std::time::Duration;

/// A capture takes 15 to 60 ms; one that takes this long hangs.
const CAPTURE_MAX: Duration = Duration::from_secs(10);
/// The largest side of a picture, in CSS pixels: Chrome's own limit for one surface.
const SIDE_MAX: u32 = 16_384;
/// Of the lossy formats; text stays readable.
const QUALITY: u8 = 80;
/// The largest picture, in bytes of base64: a frame, less room for what goes around it.
const IMAGE_MAX: usize = limits::FRAME_MAX - 64 * 1024;

/// Scrolls the element into view and says where it is in its frame's view.
const PLACE: &str = "function () {
  const el = this.nodeType === 1 ? this : this.parentElement;
  if (!el || !el.isConnected) return { gone: true };
  el.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' });
  const { x, y, width, height } = el.getBoundingClientRect();
  return { x, y, width, height, w: innerWidth, h: innerHeight, scrollX, scrollY };
}";

/// # Errors
/// `stale_ref`, `not_actionable` for an element without a size, `timeout`, `result_too_large`.
pub(super) async fn run(page: &Page, shot: Screenshot) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    ready(page).await;
    page.waiting_for("a picture of the page");
    let element = match &shot.target {
        Some(target) => Some(Element::find(page, target).await?),
        None => None,
    };
    cast_on(page).await;
    let (format, mime, lossy) = match shot.format {
        ImageFormat::Png => ("png", "image/png", false),
        ImageFormat::Jpeg => ("jpeg", "image/jpeg", true),
        ImageFormat::Webp => ("webp", "image/webp", true),
    };
    let mut params = json!({"format": format});
    if lossy {
        params["quality"] = json!(QUALITY);
    }
    if let Some(element) = element {
        let place = element.call(PLACE, json!([])).await?;
        let place = element.outwards(place).await?;
        element.release();
        let side = |name: &str| place[name].as_f64().unwrap_or_default();
        if side("width") == 0.0 || side("height") == 0.0 {
            return Err(element.not_actionable("it is not visible"));
        }
        let clip = json!({
            "x": side("x") + side("scrollX"), "y": side("y") + side("scrollY"),
            "width": side("width"), "height": side("height"), "scale": 1,
        });
        params["clip"] = cut(clip, &mut result);
    } else if let Some(region) = shot.region {
        let metrics = page.command("Page.getLayoutMetrics", json!({})).await?;
        let view = &metrics["cssVisualViewport"];
        let from = |side: &str| view[side].as_f64().unwrap_or_default();
        let place = json!({
            "x": from("pageX") + f64::from(region.x), "y": from("pageY") + f64::from(region.y),
            "width": region.width, "height": region.height, "scale": 1,
        });
        params["clip"] = cut(place, &mut result);
    } else if shot.full_page {
        let metrics = page.command("Page.getLayoutMetrics", json!({})).await?;
        let size = &metrics["cssContentSize"];
        let place = json!({
            "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1,
        });
        params["clip"] = cut(place, &mut result);
        params["captureBeyondViewport"] = json!(true);
    }
    let at = page.now() + CAPTURE_MAX.min(page.left(ANSWER_TIME));
    let capture = page.command("Page.captureScreenshot", params);
    let Some(captured) = page.within(at, capture).await else {
        return Err(Fault::Timeout {
            after_s: CAPTURE_MAX.as_secs(),
            waiting_for: "a picture of the page".into(),
        });
    };
    let mut captured = captured?;
    cast_off(page);
    page.change_facts(|facts| facts.warm = true);
    let bytes = text(&captured, "data").len();
    if bytes > IMAGE_MAX {
        return Err(Fault::ResultTooLarge {
            bytes,
            limit: IMAGE_MAX,
        });
    }
    let Value::String(data) = captured["data"].take() else {
        return Err(Fault::Internal {
            what: "Chrome's picture has no data".into(),
        });
    };
    result.image = Some(Image {
        mime: mime.into(),
        data,
    });
    Ok(result)
}

fn cut(mut place: Value, result: &mut PageResult) -> Value {
    for side in ["width", "height"] {
        let length = place[side].as_f64();
        if length.is_some_and(|length| length > f64::from(SIDE_MAX)) {
            place[side] = json!(SIDE_MAX);
            result.notes.push(format!(
                "The picture's {side} was cut at {SIDE_MAX} pixels."
            ));
        }
    }
    place
}
