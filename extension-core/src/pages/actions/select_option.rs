//! `browser_select_option`: chooses entries of a list by what they are called or by their values,
//! and tells the page as a person's choice would.

use super::{ACT_MAX, ANSWER_TIME, cast_off, cast_on, painted, ready, settle};
use crate::pages::element::Element;
use crate::pages::poller::Page;
use protocol::Fault;
use protocol::command::{PageResult, SelectOption};
use serde_json::json;

/// Looks once a frame until all of `values` can be chosen, and chooses them: `{}`, or after `ms`
/// `{why}`, or `{again}` or `{gone}` (see [`Element::act`]). A name that two entries have is the
/// first one's that is enabled.
const SELECT: &str = "async function (ms, again, values) {
  let el = this.nodeType === 1 ? this : this.parentElement;
  const start = performance.now();
  const frame = () => new Promise((done) => { requestAnimationFrame(done); setTimeout(done, 50); });
  const plain = (s) => s.trim().replace(/\\s+/g, ' ');
  const off = (o) => o.disabled || (o.parentElement.localName === 'optgroup' && o.parentElement.disabled);
  const choices = () => {
    const names = [...el.options].filter((o) => !off(o)).map((o) => JSON.stringify(plain(o.label)));
    const shown = names.slice(0, 20).join(', ');
    if (!shown) return 'it has no entry that can be chosen';
    return 'it has\\n' + shown + (names.length > 20 ? ' and ' + (names.length - 20) + ' more' : '');
  };
  for (let fresh = true; ; fresh = false) {
    if (!el || !el.isConnected) return { gone: true };
    if (el.localName === 'option') el = el.closest('select') ?? el;
    if (el.localName === 'label' && el.control) el = el.control;
    if (el.localName !== 'select') return { why: 'it is no list of options; click it and what then opens' };
    if (values.length > 1 && !el.multiple) return { why: 'only one of its options can be selected' };
    let why = null;
    const chosen = [];
    if (el.getClientRects().length === 0 || getComputedStyle(el).visibility !== 'visible') why = 'it is not visible';
    else if (el.matches(':disabled') || el.closest('[aria-disabled=\"true\"]')) why = 'it is disabled';
    else for (const value of values) {
      const all = [...el.options];
      const named = [...all.filter((o) => plain(o.label) === plain(value)), ...all.filter((o) => o.value === value)];
      const option = named.find((o) => !off(o));
      if (option) chosen.push(option);
      else if (named.length > 0) why = 'its option ' + JSON.stringify(value) + ' is disabled; ' + choices();
      else why = 'it has no option ' + JSON.stringify(value) + '; ' + choices();
      if (why) break;
    }
    if (!why) {
      if (!fresh) return { again: true };
      el.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' });
      el.focus();
      if (el.multiple) for (const o of el.options) o.selected = chosen.includes(o);
      else el.selectedIndex = chosen.length ? chosen[0].index : -1;
      el.dispatchEvent(new Event('input', { bubbles: true, composed: true }));
      el.dispatchEvent(new Event('change', { bubbles: true }));
      return {};
    }
    if (performance.now() - start >= ms) return { why };
    await frame();
  }
}";

/// # Errors
/// `stale_ref`; `not_actionable`, naming what can be chosen.
pub(super) async fn run(page: &Page, select: SelectOption) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    ready(page).await;
    page.waiting_for("the list to have the options");
    let element = Element::find(page, &select.target).await?;
    cast_on(page).await;
    let wait = ACT_MAX.min(page.left(ANSWER_TIME));
    let values = json!(select.values);
    let chosen = element.act(SELECT, page.now() + wait, values).await?;
    if let Some(why) = chosen["why"].as_str() {
        return Err(element.not_actionable(why));
    }
    element.release();
    painted(page).await;
    cast_off(page);
    settle(page, &mut result).await;
    Ok(result)
}
