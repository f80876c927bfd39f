//! `browser_type`: puts text into a field, replacing what stands in it, and perhaps presses Enter.
//! Text goes in as a person's input would, so that the page's own handlers see it; fields that
//! take no text (dates, colours, lists) are set to it.

use super::{ACT_MAX, ANSWER_TIME, cast_off, cast_on, keyboard, painted, ready, settle};
use crate::pages::element::Element;
use crate::pages::poller::Page;
use protocol::Fault;
use protocol::command::{Chord, PageResult, Type};
use serde_json::json;

/// Waits until the field can be written, focuses it and selects what stands in it: `{}`, or
/// `{empty: true}` when nothing does, `{done: true}` when it was set, after `ms` `{why}`, or
/// `{again}` or `{gone}` (see [`Element::act`]).
const EDIT: &str = "async function (ms, again, text) {
  let el = this.nodeType === 1 ? this : this.parentElement;
  const start = performance.now();
  const frame = () => new Promise((done) => { requestAnimationFrame(done); setTimeout(done, 50); });
  const fields = 'input, textarea, select, [contenteditable]:not([contenteditable=\"false\"])';
  const told = () => {
    el.dispatchEvent(new Event('input', { bubbles: true, composed: true }));
    el.dispatchEvent(new Event('change', { bubbles: true }));
    return { done: true };
  };
  for (let fresh = true; ; fresh = false) {
    if (!el || !el.isConnected) return { gone: true };
    if (!el.matches(fields) && !el.isContentEditable) {
      const inner = el.control ?? (el.querySelectorAll(fields).length === 1 ? el.querySelector(fields) : null);
      if (!inner) return { why: 'it is not a text field' };
      el = inner;
    }
    let why = null;
    if (el.getClientRects().length === 0 || getComputedStyle(el).visibility !== 'visible') why = 'it is not visible';
    else if (el.matches(':disabled') || el.closest('[aria-disabled=\"true\"]')) why = 'it is disabled';
    else if (el.readOnly) why = 'it is read-only';
    if (!why && !fresh) return { again: true };
    if (!why) break;
    if (performance.now() - start >= ms) return { why };
    await frame();
  }
  el.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' });
  el.focus();
  if (el.localName === 'select') {
    const plain = (s) => s.trim().replace(/\\s+/g, ' ');
    const option = [...el.options].find((o) => plain(o.label) === plain(text) || o.value === text);
    if (!option) return { why: 'it is a list without the entry ' + JSON.stringify(text) };
    el.value = option.value;
    return told();
  }
  if (el.localName === 'input') {
    if (['checkbox', 'radio', 'button', 'submit', 'reset', 'image', 'file'].includes(el.type)) {
      return { why: 'it is a ' + el.type + ' and takes no text' };
    }
    if (['date', 'time', 'datetime-local', 'month', 'week', 'color', 'range'].includes(el.type)) {
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(el, text);
      if (el.value !== text) return { why: 'it does not take that value; it is a ' + el.type };
      return told();
    }
  }
  if (el.select) {
    el.select();
    return { empty: el.value === '' };
  }
  const range = document.createRange();
  range.selectNodeContents(el);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  return { empty: el.textContent === '' };
}";

/// # Errors
/// `stale_ref`; `not_actionable`, saying why nothing can be typed there.
pub(super) async fn run(page: &Page, typed: Type) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    ready(page).await;
    page.waiting_for("the field to be editable");
    let element = Element::find(page, &typed.target).await?;
    cast_on(page).await;
    let wait = ACT_MAX.min(page.left(ANSWER_TIME));
    let text = json!(typed.text);
    let field = element.act(EDIT, page.now() + wait, text).await?;
    if let Some(why) = field["why"].as_str() {
        return Err(element.not_actionable(why));
    }
    element.release();
    page.waiting_for("the page to take the text");
    if field["done"] != true {
        if typed.text.is_empty() {
            if field["empty"] != true {
                press(page, "Delete").await?;
            }
        } else if typed.slowly {
            for character in typed.text.chars() {
                press_character(page, character).await?;
            }
        } else {
            let params = json!({"text": typed.text});
            page.command("Input.insertText", params).await?;
        }
    }
    if typed.submit {
        press(page, "Enter").await?;
        painted(page).await;
    }
    cast_off(page);
    settle(page, &mut result).await;
    Ok(result)
}

async fn press(page: &Page, name: &str) -> Result<(), Fault> {
    keyboard::press(page, &Chord::parse(name)?, false).await
}

async fn press_character(page: &Page, character: char) -> Result<(), Fault> {
    let chord = Chord::typing(character);
    if chord.key.code.is_empty() {
        // No key of its own on every keyboard.
        let params = json!({"text": chord.key.text});
        page.command("Input.insertText", params).await?;
        return Ok(());
    }
    keyboard::press(page, &chord, false).await
}
