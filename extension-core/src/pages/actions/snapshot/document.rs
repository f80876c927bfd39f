//! Reads the answer of `DOMSnapshot.captureSnapshot`: columns of numbers that point into one list
//! of strings. It knows what is there and what of it is shown, and gives no meaning to it.

use super::TEXT_MAX;
use crate::pages::facts::clip;
use protocol::{SortedMap, SortedSet};
use serde_json::Value;
use std::collections::BTreeMap;

/// The computed styles that are asked for, in this order.
pub(super) const STYLES: [&str; 3] = ["visibility", "display", "cursor"];

/// What Chrome tells of the look and nobody reads here: of a table of 100 rows three fifths of the
/// answer, and nearly all of its fractions, which are the slowest to read.
pub(in crate::pages::actions) const UNREAD: &[&[&str]] = &[
    &["documents", "layout", "bounds"],
    &["documents", "layout", "text"],
    &["documents", "textBoxes"],
];

/// `nodeType`s of the DOM.
const ELEMENT: i64 = 1;
const TEXT: i64 = 3;

/// All documents of one answer: the page first, frames of its process after it.
#[derive(Debug)]
pub(super) struct Documents<'a>(Vec<Document<'a>>);

impl<'a> Documents<'a> {
    pub(super) fn read(answer: &'a Value) -> Self {
        let strings = list(&answer["strings"]);
        let documents = list(&answer["documents"]).iter();
        Self(
            documents
                .map(|document| Document::read(document, strings))
                .collect(),
        )
    }

    pub(super) fn get(&self, index: usize) -> Option<&Document<'a>> {
        self.0.get(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Document<'a>> {
        self.0.iter()
    }
}

/// How a node is laid out.
#[derive(Clone, Copy, Debug)]
struct Layout<'a> {
    visible: bool,
    display: &'a str,
    pointer: bool,
}

/// One document. Nodes are numbered; 0 is the document itself.
#[derive(Debug)]
pub(super) struct Document<'a> {
    strings: &'a [Value],
    /// Its frame's id.
    frame: &'a str,
    url: &'a str,
    kinds: &'a [Value],
    names: &'a [Value],
    values: &'a [Value],
    backends: &'a [Value],
    attributes: &'a [Value],
    parents: &'a [Value],
    children: Vec<Vec<usize>>,
    layout: SortedMap<usize, Layout<'a>>,
    clickable: SortedSet<usize>,
    checked: SortedSet<usize>,
    selected: SortedSet<usize>,
    inputs: SortedMap<usize, &'a str>,
    contents: SortedMap<usize, usize>,
    /// A tree, as `labels` is: a page has as many ids as it likes, in no order.
    ids: BTreeMap<&'a str, usize>,
    /// `label for=` by the id that they name.
    labels: BTreeMap<&'a str, usize>,
}

impl<'a> Document<'a> {
    fn read(document: &'a Value, strings: &'a [Value]) -> Self {
        let nodes = &document["nodes"];
        let parents = list(&nodes["parentIndex"]);
        let mut children = vec![Vec::new(); parents.len()];
        for (node, parent) in parents.iter().enumerate() {
            // Chrome numbers a parent before its children: no circle can be made.
            if let Some(parent) = index(parent).filter(|parent| *parent < node) {
                children[parent].push(node);
            }
        }
        let mut inputs = pairs(&nodes["textValue"], strings);
        inputs.extend(pairs(&nodes["inputValue"], strings));
        let contents = &nodes["contentDocumentIndex"];
        let contents = list(&contents["index"])
            .iter()
            .zip(list(&contents["value"]))
            .filter_map(|(node, inner)| Some((index(node)?, index(inner)?)))
            .collect();
        let mut read = Self {
            strings,
            frame: string(strings, document.get("frameId")),
            url: string(strings, document.get("documentURL")),
            kinds: list(&nodes["nodeType"]),
            names: list(&nodes["nodeName"]),
            values: list(&nodes["nodeValue"]),
            backends: list(&nodes["backendNodeId"]),
            attributes: list(&nodes["attributes"]),
            parents,
            children,
            layout: layouts(&document["layout"], strings),
            clickable: set(&nodes["isClickable"]),
            checked: set(&nodes["inputChecked"]),
            selected: set(&nodes["optionSelected"]),
            inputs,
            contents,
            ids: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        for node in 0..parents.len() {
            if let Some(id) = read.attribute(node, "id") {
                read.ids.entry(id).or_insert(node);
            }
            if read.tag(node) == "LABEL"
                && let Some(of) = read.attribute(node, "for")
            {
                read.labels.entry(of).or_insert(node);
            }
        }
        read
    }

    /// What it shows.
    pub(super) fn url(&self) -> &'a str {
        self.url
    }

    pub(super) fn frame(&self) -> &'a str {
        self.frame
    }

    pub(super) fn children(&self, node: usize) -> &[usize] {
        self.children.get(node).map_or(&[], Vec::as_slice)
    }

    pub(super) fn parent(&self, node: usize) -> Option<usize> {
        self.parents.get(node).and_then(index)
    }

    /// The tag in capitals, for HTML; empty for anything but an element.
    pub(super) fn tag(&self, node: usize) -> &'a str {
        if self.kinds.get(node).and_then(Value::as_i64) == Some(ELEMENT) {
            string(self.strings, self.names.get(node))
        } else {
            ""
        }
    }

    /// The tag of a node's parent.
    pub(super) fn tag_above(&self, node: usize) -> &'a str {
        self.parent(node).map_or("", |above| self.tag(above))
    }

    pub(super) fn is_text(&self, node: usize) -> bool {
        self.kinds.get(node).and_then(Value::as_i64) == Some(TEXT)
    }

    /// The words of a text node, on one line, bounded.
    pub(super) fn words(&self, node: usize) -> String {
        plain(string(self.strings, self.values.get(node)))
    }

    pub(super) fn backend(&self, node: usize) -> Option<i64> {
        self.backends.get(node).and_then(Value::as_i64)
    }

    pub(super) fn attribute(&self, node: usize, name: &str) -> Option<&'a str> {
        let pairs = list(self.attributes.get(node)?);
        let pair = pairs.chunks_exact(2);
        let mut found = pair.filter(|pair| string(self.strings, pair.first()) == name);
        found.next().map(|pair| string(self.strings, pair.get(1)))
    }

    pub(super) fn has(&self, node: usize, attribute: &str) -> bool {
        self.attribute(node, attribute).is_some()
    }

    /// It takes room, and is not made invisible.
    pub(super) fn is_visible(&self, node: usize) -> bool {
        self.layout.get(&node).is_some_and(|layout| layout.visible)
    }

    /// An entry of a list that is shown, though it may be closed.
    pub(super) fn is_in_visible_list(&self, node: usize) -> bool {
        let mut at = self.parent(node);
        while let Some(above) = at {
            match self.tag(above) {
                "SELECT" => return self.is_visible(above),
                "OPTGROUP" => at = self.parent(above),
                _ => return false,
            }
        }
        false
    }

    /// Its words stand apart from those around it.
    pub(super) fn is_box(&self, node: usize) -> bool {
        let tag = self.tag(node);
        let layout = self.layout.get(&node);
        !matches!(tag, "" | "HTML" | "BODY" | "P")
            && layout.is_some_and(|layout| layout.display != "inline")
    }

    /// It listens for clicks itself, or shows the hand where its parent does not.
    pub(super) fn is_clickable(&self, node: usize) -> bool {
        if matches!(self.tag(node), "HTML" | "BODY" | "") {
            return false;
        }
        let hand = |node: usize| self.layout.get(&node).is_some_and(|layout| layout.pointer);
        self.clickable.contains(&node)
            || (hand(node) && !self.parent(node).is_some_and(hand) && self.is_visible(node))
    }

    pub(super) fn is_focusable(&self, node: usize) -> bool {
        self.attribute(node, "tabindex")
            .is_some_and(|index| index.trim().parse::<i32>().is_ok_and(|index| index >= 0))
    }

    pub(super) fn is_checked(&self, node: usize) -> bool {
        self.checked.contains(&node)
    }

    pub(super) fn is_selected(&self, node: usize) -> bool {
        self.selected.contains(&node)
    }

    /// What stands in a field now.
    pub(super) fn input(&self, node: usize) -> Option<&'a str> {
        self.inputs.get(&node).copied()
    }

    /// The document inside a frame of the same process.
    pub(super) fn content(&self, node: usize) -> Option<usize> {
        self.contents.get(&node).copied().filter(|inner| *inner > 0)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    /// The field that a `label` is of.
    pub(super) fn labelled_field(&self, label: usize) -> Option<usize> {
        if let Some(id) = self.attribute(label, "for") {
            return self.by_id(id);
        }
        let mut open = self.children(label).to_vec();
        while let Some(node) = open.pop() {
            if matches!(self.tag(node), "INPUT" | "SELECT" | "TEXTAREA" | "BUTTON") {
                return Some(node);
            }
            open.extend(self.children(node));
        }
        None
    }

    pub(super) fn label_for(&self, id: &str) -> Option<usize> {
        self.labels.get(id).copied()
    }
}

/// One line of plain words, bounded.
pub(super) fn plain(words: &str) -> String {
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

fn layouts<'a>(layout: &'a Value, strings: &'a [Value]) -> SortedMap<usize, Layout<'a>> {
    let nodes = list(&layout["nodeIndex"]).iter();
    let styles = list(&layout["styles"]);
    nodes
        .enumerate()
        .filter_map(|(at, node)| {
            let style = list(styles.get(at)?);
            let shown = Layout {
                visible: matches!(string(strings, style.first()), "visible" | ""),
                display: string(strings, style.get(1)),
                pointer: string(strings, style.get(2)) == "pointer",
            };
            Some((index(node)?, shown))
        })
        .collect()
}

fn pairs<'a>(column: &'a Value, strings: &'a [Value]) -> SortedMap<usize, &'a str> {
    let nodes = list(&column["index"]).iter();
    nodes
        .zip(list(&column["value"]))
        .filter_map(|(node, value)| Some((index(node)?, string(strings, Some(value)))))
        .collect()
}

fn set(column: &Value) -> SortedSet<usize> {
    list(&column["index"]).iter().filter_map(index).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_i64()?).ok()
}

fn string<'a>(strings: &'a [Value], at: Option<&Value>) -> &'a str {
    at.and_then(index)
        .and_then(|at| strings.get(at))
        .and_then(Value::as_str)
        .unwrap_or_default()
}
