//! `browser_snapshot`: the page as people and their helpers meet it, as YAML in the style of
//! Playwright's aria snapshots: roles, names, states, words. What nobody can see is left out; what
//! can be acted on carries a ref. It is made from `DOMSnapshot.captureSnapshot`, which costs a
//! tenth of Chrome's accessibility tree and also knows what listens for clicks. What frames show
//! stands in them, whoever draws them; nothing is read from a frame where no agent may be.

mod document;
mod picture;
mod role;

use super::ready;
use crate::pages::element;
use crate::pages::frames;
use crate::pages::poller::Page;
use document::Document;
pub(super) use document::UNREAD;
use picture::Picture;
use protocol::command::PageResult;
use protocol::{Fault, json};
use role::Role;
use std::fmt::Write;

/// The command whose answer this is made of.
pub(super) const LOOK: &str = "DOMSnapshot.captureSnapshot";

/// The longest snapshot, in bytes. More floods a model's context; it is cut at a line, and says so.
const SNAPSHOT_MAX: usize = 60_000;
/// The longest name or text of one element, in characters.
const TEXT_MAX: usize = 400;
/// The most entries of a list to choose from. Countries are 250; nobody needs all of them here.
const OPTIONS_MAX: usize = 60;
/// The deepest nesting that is followed. Chrome's parser nests no deeper than 512; a script may,
/// until the worker's stack is used up.
const DEPTH_MAX: usize = 600;

/// # Errors
/// Those of every call.
pub(super) async fn run(page: &Page) -> Result<PageResult, Fault> {
    loop {
        ready(page).await;
        page.waiting_for("a snapshot of the page");
        frames::settled(page).await;
        let loader = page.facts().loader.clone();
        let taken = picture::take_all(page).await?;
        // A commit between the question and the answer: whose tree it is, nobody knows.
        if page.facts().loader == loader {
            let pictures = Picture::read_all(&taken, &element::mark(&loader));
            let mut result = PageResult {
                snapshot: Some(render(&pictures, origin(&page.facts().url))),
                ..PageResult::default()
            };
            let missing = taken.missing + page.facts().frames.lost();
            if missing > 0 {
                result.notes.push(format!(
                    "{missing} frames of other sites did not answer, or are too many, and are left out."
                ));
            }
            return Ok(result);
        }
    }
}

/// `https://host:port` of a URL, empty for one without a host.
fn origin(url: &str) -> &str {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "";
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    &url[..scheme.len() + 3 + host.len()]
}

/// An element of the snapshot, or words between elements.
#[derive(Debug, Default)]
struct Item {
    /// Empty for words.
    role: String,
    name: String,
    attributes: String,
    reference: String,
    /// What stands in a field.
    value: String,
    children: Vec<Self>,
}

impl Item {
    fn is_text(&self) -> bool {
        self.role.is_empty()
    }

    fn words(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }
}

/// The first picture is the page's; the others hang in frames.
fn render(pictures: &[Picture<'_>], origin: &str) -> String {
    let tree = Tree { pictures, origin };
    let mut items = Vec::new();
    tree.collect(Of::default(), 0, 0, &mut items);
    let mut out = String::new();
    let mut lost = 0;
    for item in &items {
        write(item, 0, &mut out, &mut lost);
    }
    if lost > 0 {
        let _ = writeln!(
            out,
            "# cut here: {lost} more lines; ask with browser_evaluate"
        );
    }
    if out.is_empty() {
        out.push_str("# the page is empty\n");
    }
    out
}

/// Which document a node is of.
#[derive(Clone, Copy, Debug, Default)]
struct Of {
    picture: usize,
    document: usize,
}

struct Tree<'a> {
    pictures: &'a [Picture<'a>],
    origin: &'a str,
}

impl<'a> Tree<'a> {
    /// None for what may not be read, and for what is not there.
    fn document(&self, of: Of) -> Option<&'a Document<'a>> {
        self.pictures.get(of.picture)?.document(of.document)
    }

    /// The document in a frame.
    fn content(&self, of: Of, node: usize) -> Option<Of> {
        let picture = self.pictures.get(of.picture)?;
        let document = picture.document(of.document)?;
        if let Some(inner) = document.content(node) {
            return Some(Of {
                document: inner,
                ..of
            });
        }
        let picture = picture.hung_in(document.backend(node)?)?;
        Some(Of {
            picture,
            document: 0,
        })
    }

    fn children(&self, of: Of, node: usize, depth: usize, into: &mut Vec<Item>) {
        let Some(document) = self.document(of) else {
            return;
        };
        for child in document.children(node) {
            self.collect(of, *child, depth + 1, into);
        }
    }

    /// Adds what a node shows: itself, or its children when it only wraps them.
    fn collect(&self, of: Of, node: usize, depth: usize, into: &mut Vec<Item>) {
        let Some(document) = self.document(of).filter(|_| depth <= DEPTH_MAX) else {
            return;
        };
        if document.is_text(node) {
            if document.is_visible(node) {
                add_words(document.words(node), into);
            }
            return;
        }
        let role = role::of(document, node);
        let clickable = document.is_clickable(node);
        match role {
            Role::Nothing => return,
            Role::Inline if !clickable => return self.children(of, node, depth, into),
            Role::Inline | Role::Wrapper | Role::Named(_) => {}
        }
        let mut children = Vec::new();
        self.children(of, node, depth, &mut children);
        if let Some(inner) = self.content(of, node) {
            self.collect(inner, 0, depth + 1, &mut children);
        }
        self.place(of, node, role, clickable, children, into);
    }

    /// Adds an element whose children are known. Apart from the way down, which shall need little
    /// of the stack.
    #[inline(never)]
    fn place(
        &self,
        of: Of,
        node: usize,
        role: Role,
        mut clickable: bool,
        mut children: Vec<Item>,
        into: &mut Vec<Item>,
    ) {
        let Some(document) = self.document(of) else {
            return;
        };
        if document.tag(node) == "LABEL"
            && let Some(field) = document.labelled_field(node)
        {
            if document.is_visible(field) {
                // Its words are the field's name.
                children.retain(|child| !child.is_text());
                clickable = false;
            } else {
                // It stands for a field that is drawn some other way.
                clickable = true;
            }
        }
        let Role::Named(role) = role else {
            let lone = matches!(children.as_slice(), [only] if only.is_text());
            // Words in a box of their own are what people click when it is no button.
            if clickable && !children.is_empty() || (lone && document.is_box(node)) {
                into.push(Item {
                    role: "generic".into(),
                    reference: self.reference(of, node),
                    children,
                    ..Item::default()
                });
            } else {
                into.append(&mut children);
            }
            return;
        };
        // Without a box of its own, an element is not there; its children may be.
        let visible = document.is_visible(node);
        let in_list = role == "option" && !visible && document.is_in_visible_list(node);
        if !visible && !in_list {
            into.append(&mut children);
            return;
        }
        let acts = clickable || document.is_focusable(node) || role::has_ref(&role);
        // A closed list is not clicked entry by entry; browser_select_option chooses.
        let acts = acts && !in_list;
        let item = Item {
            name: role::name(document, node, &role),
            attributes: role::attributes(document, node, &role, self.origin),
            reference: if acts {
                self.reference(of, node)
            } else {
                String::new()
            },
            value: role::value(document, node, &role),
            role,
            children: Vec::new(),
        };
        into.extend(tidy(item, children));
    }

    fn reference(&self, of: Of, node: usize) -> String {
        let picture = self.pictures.get(of.picture);
        let mark = picture.and_then(|picture| picture.mark(of.document));
        let backend = self.document(of).and_then(|it| it.backend(node));
        match (backend, mark) {
            (Some(id), Some(mark)) => element::name(id, mark),
            (Some(_) | None, _) => String::new(),
        }
    }
}

fn add_words(words: String, into: &mut Vec<Item>) {
    if words.is_empty() {
        return;
    }
    match into.last_mut() {
        Some(last) if last.is_text() => {
            last.name.push(' ');
            last.name.push_str(&words);
        }
        Some(_) | None => into.push(Item::words(words)),
    }
}

/// Says once what both an element and its children say.
fn tidy(mut item: Item, mut children: Vec<Item>) -> Option<Item> {
    match item.role.as_str() {
        // What stands in a field is its value; its inner words are the same again.
        "textbox" | "searchbox" | "spinbutton" | "slider" if !item.value.is_empty() => {
            children.clear();
        }
        // Its options say which is chosen.
        "combobox" | "listbox" if !children.is_empty() => {
            item.value.clear();
            let more = children.len().saturating_sub(OPTIONS_MAX);
            if more > 0 {
                children.truncate(OPTIONS_MAX);
                children.push(Item::words(format!("and {more} more")));
            }
        }
        "cell" | "gridcell" | "columnheader" | "rowheader" => {
            if let [inner] = children.as_mut_slice()
                && (!inner.is_text() && item.reference.is_empty())
            {
                // A cell around one thing is that thing.
                let inner = std::mem::take(inner);
                if inner.role != "generic" {
                    return Some(inner);
                }
                children = inner.children;
                item.reference = inner.reference;
            }
        }
        _ => {}
    }
    let only_words = children.iter().all(Item::is_text);
    if !item.name.is_empty() && same(&item.name, &children) {
        if only_words {
            children.clear();
        } else {
            item.name.clear();
        }
    }
    item.children = children;
    let says = !item.name.is_empty() || !item.children.is_empty() || !item.value.is_empty();
    let empty = matches!(item.role.as_str(), "row" | "listitem" | "list" | "table");
    let acts = !item.reference.is_empty() && !empty;
    let stands = matches!(item.role.as_str(), "separator" | "cell");
    (says || acts || stands).then_some(item)
}

/// Whether the children's words are the name, but for white space.
fn same(name: &str, children: &[Item]) -> bool {
    fn gather(items: &[Item], into: &mut String) {
        for item in items {
            into.extend(item.name.chars().filter(|c| !c.is_whitespace()));
            gather(&item.children, into);
        }
    }
    let mut words = String::new();
    gather(children, &mut words);
    words
        .chars()
        .eq(name.chars().filter(|c| !c.is_whitespace()))
}

fn write(item: &Item, depth: usize, out: &mut String, lost: &mut usize) {
    if out.len() > SNAPSHOT_MAX {
        *lost += 1;
        for child in &item.children {
            write(child, depth + 1, out, lost);
        }
        return;
    }
    for _ in 0..depth {
        out.push_str("  ");
    }
    out.push_str("- ");
    if item.is_text() {
        out.push_str("text: ");
        push_words(out, &item.name);
        out.push('\n');
        return;
    }
    out.push_str(&item.role);
    if !item.name.is_empty() {
        out.push(' ');
        out.push_str(&json::text(&item.name));
    }
    out.push_str(&item.attributes);
    if !item.reference.is_empty() {
        let _ = write!(out, " [ref={}]", item.reference);
    }
    match item.children.as_slice() {
        [] if item.value.is_empty() || item.value == item.name => out.push('\n'),
        [] => {
            out.push_str(": ");
            push_words(out, &item.value);
            out.push('\n');
        }
        [only] if only.is_text() => {
            out.push_str(": ");
            push_words(out, &only.name);
            out.push('\n');
        }
        children => {
            out.push_str(":\n");
            for child in children {
                write(child, depth + 1, out, lost);
            }
        }
    }
}

/// Words as a YAML scalar: plain where that is safe.
fn push_words(out: &mut String, words: &str) {
    let safe = words
        .chars()
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && !words.contains(": ")
        && !words.contains(" #")
        && !words.ends_with(':');
    if safe {
        out.push_str(words);
    } else {
        out.push_str(&json::text(words));
    }
}

#[cfg(test)]
mod tests;
