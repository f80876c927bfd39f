//! `browser_snapshot`: the page as its accessibility tree tells it, as YAML in the style of
//! Playwright's aria snapshots. What nobody can see or name is left out; what can be acted on
//! carries a ref.

use super::ready;
use crate::pages::element;
use crate::pages::facts::{clip, text};
use crate::pages::poller::Page;
use protocol::Fault;
use protocol::command::PageResult;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The longest snapshot, in bytes. More floods a model's context; it is cut at a line, and says so.
const SNAPSHOT_MAX: usize = 60_000;
/// The longest name or text of one element, in characters.
const TEXT_MAX: usize = 400;
/// The deepest nesting that is followed. Pages nest a few dozen elements; a hostile one may nest
/// until the worker's stack is used up.
const DEPTH_MAX: usize = 300;

/// # Errors
/// Those of every call.
pub(super) async fn run(page: &Page) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    loop {
        ready(page).await;
        page.waiting_for("the page's accessibility tree");
        let loader = page.facts().loader.clone();
        let answer = page
            .command("Accessibility.getFullAXTree", json!({}))
            .await?;
        // A commit between the question and the answer: whose tree it is, nobody knows.
        if page.facts().loader == loader {
            let origin = origin(&page.facts().url).to_owned();
            result.snapshot = Some(render(&answer, &element::mark(&loader), &origin));
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

/// An element of the snapshot.
#[derive(Debug, Default)]
struct Item {
    /// Empty for text.
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
}

struct Tree<'a> {
    nodes: BTreeMap<&'a str, &'a Value>,
    mark: &'a str,
    origin: &'a str,
}

fn render(answer: &Value, mark: &str, origin: &str) -> String {
    let list = answer["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let nodes = list.iter().map(|node| (text(node, "nodeId"), node));
    let tree = Tree {
        nodes: nodes.collect(),
        mark,
        origin,
    };
    let mut items = Vec::new();
    if let Some(root) = list.iter().find(|node| node.get("parentId").is_none()) {
        tree.collect(root, 0, &mut items);
    }
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

/// Roles that only hold others together.
fn is_wrapper(role: &str) -> bool {
    matches!(
        role,
        "RootWebArea"
            | "WebArea"
            | "none"
            | "presentation"
            | "generic"
            | "GenericContainer"
            | "LabelText"
            | "Legend"
            | "Section"
            | "MenuListPopup"
            | "LayoutTable"
            | "LayoutTableRow"
            | "LayoutTableCell"
            | "rowgroup"
            | "paragraph"
            | "Pre"
            | "Figcaption"
            | "caption"
            | "Footer"
            | "Header"
            | "SectionHeader"
            | "SectionFooter"
    )
}

/// Roles within a line of text.
fn is_inline(role: &str) -> bool {
    matches!(
        role,
        "strong"
            | "emphasis"
            | "mark"
            | "Abbr"
            | "Ruby"
            | "subscript"
            | "superscript"
            | "insertion"
            | "deletion"
            | "code"
            | "time"
    )
}

/// Roles that are acted on, or stand for something that often is.
fn has_ref(role: &str) -> bool {
    matches!(
        role,
        "button"
            | "link"
            | "textbox"
            | "searchbox"
            | "combobox"
            | "listbox"
            | "option"
            | "checkbox"
            | "radio"
            | "switch"
            | "slider"
            | "spinbutton"
            | "tab"
            | "menuitem"
            | "menuitemcheckbox"
            | "menuitemradio"
            | "treeitem"
            | "gridcell"
            | "columnheader"
            | "row"
            | "listitem"
            | "img"
            | "heading"
            | "iframe"
            | "dialog"
            | "alertdialog"
            | "canvas"
            | "video"
            | "audio"
            | "date"
            | "time"
            | "color"
            | "disclosure"
    )
}

/// Chrome's word for a role, as ARIA has it.
fn aria(role: &str) -> String {
    match role {
        "image" | "SVGRoot" | "graphics-document" | "ImageMap" => "img".into(),
        "Iframe" | "IframePresentational" => "iframe".into(),
        "DisclosureTriangle" | "DisclosureTriangleGrouped" => "disclosure".into(),
        "ComboBoxSelect" | "ComboBoxMenuButton" | "ComboBoxGrouping" | "PopUpButton" => {
            "combobox".into()
        }
        "ListBoxOption" | "MenuListOption" => "option".into(),
        "Date" | "DateTime" => "date".into(),
        "InputTime" => "time".into(),
        "ColorWell" => "color".into(),
        "ToggleButton" => "button".into(),
        "DescriptionList" => "list".into(),
        "TextField" | "TextFieldWithComboBox" => "textbox".into(),
        other => match other.chars().next() {
            Some(first) if first.is_ascii_uppercase() => other.to_ascii_lowercase(),
            Some(_) | None => other.into(),
        },
    }
}

fn field<'a>(node: &'a Value, name: &str) -> &'a Value {
    &node[name]["value"]
}

/// One line of plain words.
fn plain(words: &str) -> String {
    let mut out = String::new();
    for word in words.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > TEXT_MAX * 4 {
            break;
        }
    }
    clip(&out, TEXT_MAX)
}

impl Tree<'_> {
    fn children(&self, node: &Value, depth: usize, into: &mut Vec<Item>) {
        let ids = node["childIds"].as_array().map_or(&[][..], Vec::as_slice);
        for id in ids.iter().filter_map(Value::as_str) {
            if let Some(child) = self.nodes.get(id) {
                self.collect(child, depth + 1, into);
            }
        }
    }

    /// Adds what a node shows: itself, or its children when it only wraps them.
    fn collect(&self, node: &Value, depth: usize, into: &mut Vec<Item>) {
        if depth > DEPTH_MAX {
            return;
        }
        let role = field(node, "role").as_str().unwrap_or_default();
        if node["ignored"] == true {
            return self.children(node, depth, into);
        }
        match role {
            "InlineTextBox" | "ListMarker" | "LineBreak" => return,
            "StaticText" => return self.add_text(node, into),
            _ => {}
        }
        let properties = Properties::of(node);
        if is_inline(role) && !properties.focusable {
            return self.children(node, depth, into);
        }
        let mut children = Vec::new();
        self.children(node, depth, &mut children);
        let has_text = children.iter().any(Item::is_text);
        let wraps = is_wrapper(role);
        if wraps && !properties.focusable {
            // A box with words of its own is what people click when it is no button.
            let boxed = matches!(role, "generic" | "GenericContainer");
            if boxed && has_text && children.len() == 1 {
                self.add_box(node, children, into);
            } else {
                into.append(&mut children);
            }
            return;
        }
        let role = if wraps {
            if role == "RootWebArea" || role == "WebArea" {
                into.append(&mut children);
                return;
            }
            "generic".to_owned()
        } else {
            aria(role)
        };
        let mut item = Item {
            name: plain(field(node, "name").as_str().unwrap_or_default()),
            attributes: properties.attributes(&role, self.origin),
            value: plain(&shown(field(node, "value"))),
            ..Item::default()
        };
        if properties.focusable || has_ref(&role) {
            item.reference = self.reference(node);
        }
        item.role = role;
        into.extend(tidy(item, children));
    }

    fn add_text(&self, node: &Value, into: &mut Vec<Item>) {
        let words = plain(field(node, "name").as_str().unwrap_or_default());
        if words.is_empty() {
            return;
        }
        match into.last_mut() {
            Some(last) if last.is_text() => {
                last.name.push(' ');
                last.name.push_str(&words);
            }
            Some(_) | None => into.push(Item {
                name: words,
                ..Item::default()
            }),
        }
    }

    fn add_box(&self, node: &Value, children: Vec<Item>, into: &mut Vec<Item>) {
        let reference = self.reference(node);
        into.push(Item {
            role: "generic".into(),
            reference,
            children,
            ..Item::default()
        });
    }

    fn reference(&self, node: &Value) -> String {
        match node["backendDOMNodeId"].as_i64() {
            Some(id) => element::name(id, self.mark),
            None => String::new(),
        }
    }
}

/// Says once what both an element and its children say.
fn tidy(mut item: Item, mut children: Vec<Item>) -> Option<Item> {
    let only_text = children.iter().all(Item::is_text);
    match item.role.as_str() {
        // What stands in a field is its value; its inner text is the same again.
        "textbox" | "searchbox" | "spinbutton" | "slider" => {
            children.retain(|child| !child.is_text() && child.role != "generic");
        }
        // A row is named by its cells.
        "row" => item.name.clear(),
        "combobox" => {
            children.retain(|child| !child.is_text());
            let chosen = children.iter().any(|child| child.name == item.value);
            if chosen {
                item.value.clear();
            }
        }
        "cell" | "gridcell" => {
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
            if !children.is_empty() && !children.iter().all(Item::is_text) {
                item.name.clear();
            }
        }
        _ => {}
    }
    if !item.name.is_empty() && same(&item.name, &children) {
        if only_text {
            children.clear();
        } else {
            item.name.clear();
        }
    }
    item.children = children;
    let says = !item.name.is_empty() || !item.children.is_empty() || !item.value.is_empty();
    let acts = !item.reference.is_empty() && item.role != "row" && item.role != "listitem";
    (says || acts || item.role == "separator" || item.role == "cell").then_some(item)
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

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[derive(Default)]
struct Properties<'a> {
    focusable: bool,
    focused: bool,
    disabled: bool,
    required: bool,
    selected: bool,
    checked: Option<&'a str>,
    pressed: Option<&'a str>,
    expanded: Option<bool>,
    level: Option<i64>,
    url: Option<&'a str>,
}

impl<'a> Properties<'a> {
    fn of(node: &'a Value) -> Self {
        let mut found = Self::default();
        let list = node["properties"].as_array();
        for property in list.map_or(&[][..], Vec::as_slice) {
            let value = field(property, "value");
            match text(property, "name") {
                "focusable" => found.focusable = value == true,
                "focused" => found.focused = value == true,
                "disabled" => found.disabled = value == true,
                "required" => found.required = value == true,
                "selected" => found.selected = value == true,
                "checked" => found.checked = value.as_str(),
                "pressed" => found.pressed = value.as_str(),
                "expanded" => found.expanded = value.as_bool(),
                "level" => found.level = value.as_i64(),
                "url" => found.url = value.as_str(),
                _ => {}
            }
        }
        found
    }

    fn attributes(&self, role: &str, origin: &str) -> String {
        let mut out = String::new();
        let mut add = |attribute: &str| {
            out.push_str(" [");
            out.push_str(attribute);
            out.push(']');
        };
        for (name, state) in [("checked", self.checked), ("pressed", self.pressed)] {
            match state {
                Some("true") => add(name),
                Some("mixed") => add(&format!("{name}=mixed")),
                Some(_) | None => {}
            }
        }
        if self.disabled {
            add("disabled");
        }
        match self.expanded {
            Some(true) => add("expanded"),
            Some(false) => add("collapsed"),
            None => {}
        }
        if let (Some(level), "heading" | "treeitem") = (self.level, role) {
            add(&format!("level={level}"));
        }
        if self.required {
            add("required");
        }
        if self.selected {
            add("selected");
        }
        if self.focused {
            add("active");
        }
        if let (Some(url), "link") = (self.url, role) {
            let own = url.strip_prefix(origin).filter(|own| own.starts_with('/'));
            let url = own.unwrap_or(url);
            if !url.starts_with("javascript:") {
                add(&format!("url={}", clip(url, 120)));
            }
        }
        out
    }
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
        out.push_str(&Value::from(item.name.as_str()).to_string());
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
        .is_some_and(|first| first.is_alphanumeric() && first.is_ascii_alphabetic())
        && !words.contains(": ")
        && !words.contains(" #")
        && !words.ends_with(':');
    if safe {
        out.push_str(words);
    } else {
        out.push_str(&Value::from(words).to_string());
    }
}

#[cfg(test)]
mod tests;
