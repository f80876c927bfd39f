//! Refs: how an answer names an element, and how a later call finds it again. A ref carries the
//! element's `backendNodeId` and a mark of its document; there is no table to lose. A ref of
//! another document is stale, never another element.

use super::facts::frames::World;
use super::facts::text;
use super::frames::{self, Hop, Place};
use super::poller::Page;
use crate::input::ChromeError;
use protocol::{Fault, Instant, Target};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Characters of the page's mark: 36⁴ marks, and the `backendNodeId` must exist as well.
const MARK_LEN: usize = 4;
/// Characters of a frame's mark, which also says which of all frames it is.
const FRAME_MARK_LEN: usize = 6;
/// Our own functions on an element work for microseconds at a time.
const OURS_MAX: Duration = Duration::from_secs(2);
/// Elements held for one call; released together at its end.
const GROUP: &str = "interlock";

/// From a place in a frame to the same place in the document around it. `this` holds the frame,
/// `r` is `{x, y, width, height}` in the frame's view of `{w, h}`. Gives the same around it, with
/// `why` when the middle of it cannot be clicked there, and `out` when scrolling could help; a
/// `why` of further in stays.
const OUTWARDS: &str = "function (r) {
  if (!this.isConnected) return { gone: true };
  const box = this.getBoundingClientRect(), style = getComputedStyle(this);
  const pad = (side) => parseFloat(style['padding' + side]) || 0;
  // The view fills the content box, which transforms may have scaled.
  const sx = box.width / this.offsetWidth || 0, sy = box.height / this.offsetHeight || 0;
  const kx = (this.clientWidth - pad('Left') - pad('Right')) * sx / r.w;
  const ky = (this.clientHeight - pad('Top') - pad('Bottom')) * sy / r.h;
  const spot = {
    x: box.left + (this.clientLeft + pad('Left')) * sx + r.x * kx,
    y: box.top + (this.clientTop + pad('Top')) * sy + r.y * ky,
    width: r.width * kx, height: r.height * ky,
    w: innerWidth, h: innerHeight, scrollX, scrollY,
  };
  if (r.why) return { ...spot, why: r.why, out: r.out };
  if (!kx || !ky || style.visibility !== 'visible') return { ...spot, why: 'its frame is not visible' };
  const x = spot.x + spot.width / 2, y = spot.y + spot.height / 2;
  if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) {
    return { ...spot, out: true, why: 'its frame is outside of what can be seen' };
  }
  const hit = this.getRootNode().elementFromPoint(x, y);
  if (hit === this) return spot;
  if (!hit) return { ...spot, out: true, why: 'the mouse does not reach its frame' };
  const name = '<' + hit.localName + (hit.id ? '#' + hit.id : '') + '>';
  return { ...spot, out: true, why: 'its frame is covered by this\\n' + name };
}";

/// The mark of the page's document, which `loader` (a `loaderId`) names: `[a-z0-9]{4}`.
pub(super) fn mark(loader: &str) -> String {
    digits(loader, MARK_LEN)
}

/// The mark of a document in a frame: `[a-z0-9]{6}`.
pub(super) fn frame_mark(loader: &str) -> String {
    digits(loader, FRAME_MARK_LEN)
}

fn digits(loader: &str, count: usize) -> String {
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let digest = Sha256::digest(loader.as_bytes());
    let digit = |byte: &u8| char::from(DIGITS[usize::from(*byte) % DIGITS.len()]);
    digest.iter().take(count).map(digit).collect()
}

/// `e12_k3x9`: an element of the page; `e12_k3x9ab`: one of a document in a frame.
pub(super) fn name(backend_node: i64, mark: &str) -> String {
    format!("e{backend_node}_{mark}")
}

fn parse(target: &Target) -> Option<(i64, &str)> {
    let (node, mark) = target.0.strip_prefix('e')?.split_once('_')?;
    Some((node.parse().ok()?, mark))
}

/// An element found again, for as long as its call runs.
#[derive(Debug)]
pub(super) struct Element<'a> {
    /// Speaks to the frame that it is in.
    page: Page,
    object: Value,
    target: &'a Target,
    /// The frame, when it is not the page itself.
    frame: Option<String>,
    /// From its frame outwards to the page.
    way: Vec<Hop>,
}

impl<'a> Element<'a> {
    /// Finds what a ref names.
    ///
    /// # Errors
    /// `stale_ref`; `bad_arguments` for what is no ref at all.
    pub(super) async fn find(page: &Page, target: &'a Target) -> Result<Self, Fault> {
        let Some((node, of)) = parse(target) else {
            return Err(Fault::BadArguments {
                what: format!(
                    "`{}` is no ref; refs stand in browser_snapshot, such as e12_k3x9",
                    target.0
                ),
            });
        };
        let here = mark(&page.facts().loader);
        let place = if of.len() == FRAME_MARK_LEN {
            frames::find(page, of).await
        } else {
            None
        };
        let (page, frame, way) = match place {
            Some(Place {
                session,
                frame,
                way,
            }) => (page.of(&session), Some(frame), way),
            None if of == here => (page.clone(), None, Vec::new()),
            None => return Err(stale(target)),
        };
        let object = resolve(&page, node).await.ok_or_else(|| stale(target))?;
        Ok(Self {
            page,
            object,
            target,
            frame,
            way,
        })
    }

    /// Calls one of our own functions on it: `this` is the element. What it gives comes as JSON;
    /// a promise is awaited.
    ///
    /// # Errors
    /// `stale_ref` when it gives `{gone: true}` or its document went away.
    pub(super) async fn call(&self, function: &str, arguments: Value) -> Result<Value, Fault> {
        let arguments = || arguments.clone();
        self.call_on(&self.page, &self.object, function, arguments)
            .await
    }

    /// Calls one of our own functions that looks until it can act, as `function (ms, again, what)`,
    /// until `at`. It changes the page before its first await only; what it finds possible later,
    /// it answers `{again: true}` to, and is called again. So what is left of it when its call has
    /// ended only looks.
    ///
    /// # Errors
    /// As [`Element::call`].
    pub(super) async fn act(
        &self,
        function: &str,
        at: Instant,
        what: Value,
    ) -> Result<Value, Fault> {
        let mut again = false;
        loop {
            let arguments = || {
                let left = at.since(self.page.now());
                let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                json!([millis, again, what])
            };
            let outcome = self.call_on(&self.page, &self.object, function, arguments);
            let outcome = outcome.await?;
            again = outcome["again"] == true;
            if !again {
                return Ok(outcome);
            }
        }
    }

    /// From `{x, y, width, height, w, h}` in its frame's view to the same in the page's, with
    /// `why` and `out` where its frame is in the way (see [`OUTWARDS`]); as it is in the page.
    ///
    /// # Errors
    /// `stale_ref` when a frame around it went away.
    pub(super) async fn outwards(&self, place: Value) -> Result<Value, Fault> {
        let mut place = place;
        for hop in &self.way {
            let page = self.page.of(&hop.session);
            let params = json!({"frameId": hop.frame});
            let holder = page.command("DOM.getFrameOwner", params).await;
            let holder = holder.map_err(|_| stale(self.target))?;
            let holder = holder["backendNodeId"].as_i64().unwrap_or_default();
            let holder = resolve(&page, holder).await;
            let holder = holder.ok_or_else(|| stale(self.target))?;
            let within = || json!([place]);
            let around = self.call_on(&page, &holder, OUTWARDS, within).await?;
            place = around;
        }
        Ok(place)
    }

    /// Where the scripts of its frame run; none for the page itself.
    ///
    /// # Errors
    /// `stale_ref` when the frame's document is going.
    pub(super) fn world(&self) -> Result<Option<World>, Fault> {
        let Some(frame) = &self.frame else {
            return Ok(None);
        };
        let facts = self.page.facts();
        let world = facts.frames.world_of(self.page.session(), frame);
        world.cloned().map(Some).ok_or_else(|| stale(self.target))
    }

    /// Whether it is in a frame of the page.
    pub(super) fn is_framed(&self) -> bool {
        self.frame.is_some()
    }

    /// Speaks to the frame that it is in.
    pub(super) fn page(&self) -> &Page {
        &self.page
    }

    /// Its call needs it no more. Not waited for.
    pub(super) fn release(&self) {
        let mut sessions = vec![self.page.session()];
        for hop in &self.way {
            if !sessions.contains(&&hop.session) {
                sessions.push(&hop.session);
            }
        }
        for session in sessions {
            let params = json!({"objectGroup": GROUP});
            let page = self.page.of(session);
            drop(page.aside("Runtime.releaseObjectGroup", params));
        }
    }

    /// What keeps it from being acted on, as a script of ours says it: our words on the first line,
    /// the page's after it. Its call needs it no more.
    pub(super) fn not_actionable(&self, why: &str) -> Fault {
        self.release();
        let (why, named) = match why.split_once('\n') {
            Some((why, named)) => (why, Some(named)),
            None => (why, None),
        };
        let clip = |text| super::facts::clip(text, 300);
        Fault::NotActionable {
            target: self.target.0.clone(),
            why: clip(why),
            named: named.map(clip),
        }
    }

    /// `arguments` are made anew for each try.
    async fn call_on(
        &self,
        page: &Page,
        object: &Value,
        function: &str,
        arguments: impl Fn() -> Value,
    ) -> Result<Value, Fault> {
        let function = timely(function);
        let mut guarded = true;
        loop {
            let latest = page.wall() + OURS_MAX;
            let guard = if guarded {
                json!(latest.0)
            } else {
                json!(false)
            };
            let arguments = arguments().as_array().cloned().unwrap_or_default();
            let arguments = std::iter::once(guard).chain(arguments);
            let arguments: Vec<Value> = arguments.map(|value| json!({"value": value})).collect();
            let params = json!({
                "objectId": object,
                "functionDeclaration": function,
                "arguments": arguments,
                "returnByValue": true,
                "awaitPromise": true,
                "userGesture": true,
            });
            let answer = page.script("Runtime.callFunctionOn", params, OURS_MAX);
            let mut answer = answer.await.map_err(|error| self.lost(&error))?;
            if let Some(details) = answer.get("exceptionDetails") {
                let what = text(&details["exception"], "description");
                return Err(Fault::PageError {
                    message: super::facts::clip(what, 300),
                });
            }
            let value = answer["result"]["value"].take();
            if value["gone"] == true {
                return Err(stale(self.target));
            }
            if value["late"] != true {
                return Ok(value);
            }
            // A page that calls this late has a clock of its own: time is not told from it.
            guarded &= page.wall() > latest;
        }
    }

    fn lost(&self, error: &ChromeError) -> Fault {
        let said = error.message.as_str();
        if super::actions::is_navigated(error)
            || said.starts_with("Could not find object")
            || said.starts_with("Cannot find context")
            || said.starts_with("Session with given id")
        {
            stale(self.target)
        } else {
            error.clone().into()
        }
    }
}

/// The function, which does nothing after `latest`, its first argument, in milliseconds since 1970
/// by the computer's clock (none where it is `false`). A page that is busy gets to it when the call
/// may have ended and the debugger gone: what Chrome has handed to the page it does not take back.
fn timely(function: &str) -> String {
    format!(
        "function (latest, ...rest) {{ \
         if (latest && Date.now() > latest) return {{ late: true }}; \
         return ({function}).apply(this, rest); }}"
    )
}

/// None for "No node with given id found", "Node with given id does not belong to the document".
async fn resolve(page: &Page, node: i64) -> Option<Value> {
    let params = json!({"backendNodeId": node, "objectGroup": GROUP});
    let found = page.command("DOM.resolveNode", params).await.ok()?;
    Some(found["object"]["objectId"].clone())
}

fn stale(target: &Target) -> Fault {
    Fault::StaleRef {
        target: target.0.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ref_reads_back_as_itself_and_nothing_else_is_one() {
        let name = name(12, &mark("L1"));
        assert_eq!(
            parse(&Target(name.clone())),
            Some((12, mark("L1").as_str()))
        );
        for bad in ["", "e", "e12", "12_ab", "ex_ab", "e_ab", "button"] {
            assert_eq!(parse(&Target(bad.into())), None, "{bad}");
        }
        assert_eq!(name.len(), 8);
    }

    #[test]
    fn two_documents_have_two_marks() {
        assert_ne!(mark("812B5935E4A178E8"), mark("812B5935E4A178E9"));
        assert_ne!(mark("L1"), frame_mark("L1"));
    }
}
