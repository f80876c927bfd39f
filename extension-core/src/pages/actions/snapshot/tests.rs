//! Documents as Chrome tells them, cut down to what is read.

use super::*;
use serde_json::json;

/// Builds an answer of `DOMSnapshot.captureSnapshot` node by node.
#[derive(Default)]
struct Dom {
    strings: Vec<String>,
    parents: Vec<i64>,
    kinds: Vec<i64>,
    names: Vec<i64>,
    values: Vec<i64>,
    attributes: Vec<Vec<i64>>,
    styled: Vec<(i64, [i64; 3])>,
    clickable: Vec<i64>,
    checked: Vec<i64>,
    inputs: Vec<(i64, i64)>,
}

impl Dom {
    fn new() -> Self {
        let mut dom = Self::default();
        dom.node(-1, 9, "#document", "", &[], "visible");
        dom
    }

    fn string(&mut self, text: &str) -> i64 {
        self.strings.push(text.to_owned());
        i64::try_from(self.strings.len()).unwrap() - 1
    }

    fn node(
        &mut self,
        parent: i64,
        kind: i64,
        name: &str,
        value: &str,
        attributes: &[(&str, &str)],
        visibility: &str,
    ) -> i64 {
        let node = i64::try_from(self.parents.len()).unwrap();
        let name = self.string(name);
        let value = self.string(value);
        let mut pairs = Vec::new();
        for (name, value) in attributes {
            pairs.push(self.string(name));
            pairs.push(self.string(value));
        }
        if !visibility.is_empty() {
            let style = [visibility, "block", "auto"].map(|style| self.string(style));
            self.styled.push((node, style));
        }
        self.parents.push(parent);
        self.kinds.push(kind);
        self.names.push(name);
        self.values.push(value);
        self.attributes.push(pairs);
        node
    }

    fn tag(&mut self, parent: i64, tag: &str, attributes: &[(&str, &str)]) -> i64 {
        self.node(parent, 1, tag, "", attributes, "visible")
    }

    fn text(&mut self, parent: i64, text: &str) -> i64 {
        self.node(parent, 3, "#text", text, &[], "visible")
    }

    /// An element with words.
    fn said(&mut self, parent: i64, tag: &str, attributes: &[(&str, &str)], text: &str) -> i64 {
        let node = self.tag(parent, tag, attributes);
        self.text(node, text);
        node
    }

    fn shown(&self) -> String {
        let count = i64::try_from(self.parents.len()).unwrap();
        let (nodes, styles): (Vec<i64>, Vec<[i64; 3]>) = self.styled.iter().copied().unzip();
        let (at, of): (Vec<i64>, Vec<i64>) = self.inputs.iter().copied().unzip();
        let answer = json!({"strings": self.strings, "documents": [{
            "nodes": {
                "parentIndex": self.parents, "nodeType": self.kinds, "nodeName": self.names,
                "nodeValue": self.values, "attributes": self.attributes,
                "backendNodeId": (0..count).collect::<Vec<i64>>(),
                "isClickable": {"index": self.clickable},
                "inputChecked": {"index": self.checked},
                "inputValue": {"index": at, "value": of},
            },
            "layout": {"nodeIndex": nodes, "styles": styles},
        }]});
        render(&Picture::of_page(&answer, "k3x9"), "http://a.test")
    }
}

#[test]
fn a_button_says_its_words_once_and_carries_a_ref() {
    let mut dom = Dom::new();
    dom.said(0, "BUTTON", &[], " Add\n it ");
    assert_eq!(dom.shown(), "- button \"Add it\" [ref=e1_k3x9]\n");
}

#[test]
fn wrappers_vanish_and_a_line_of_words_stays_one_line() {
    let mut dom = Dom::new();
    let p = dom.tag(0, "P", &[]);
    dom.text(p, "Some ");
    dom.said(p, "B", &[], "bold");
    dom.text(p, " text");
    assert_eq!(dom.shown(), "- text: Some bold text\n");
}

#[test]
fn what_nobody_can_see_is_left_out() {
    let mut dom = Dom::new();
    let hidden = dom.tag(0, "DIV", &[("aria-hidden", "true")]);
    dom.said(hidden, "BUTTON", &[], "a");
    let none = dom.node(0, 1, "BUTTON", "", &[], "");
    dom.node(none, 3, "#text", "b", &[], "");
    let invisible = dom.node(0, 1, "BUTTON", "", &[], "hidden");
    dom.node(invisible, 3, "#text", "c", &[], "hidden");
    dom.said(0, "SCRIPT", &[], "d");
    let select = dom.node(0, 1, "SELECT", "", &[], "");
    let option = dom.node(select, 1, "OPTION", "", &[], "");
    dom.node(option, 3, "#text", "e", &[], "");
    assert_eq!(dom.shown(), "# the page is empty\n");
}

#[test]
fn words_that_listen_for_clicks_can_be_clicked() {
    let mut dom = Dom::new();
    let p = dom.said(0, "P", &[], "plain");
    let span = dom.said(0, "P", &[], "click me");
    dom.clickable.push(span);
    assert_eq!(
        dom.shown(),
        format!("- text: plain\n- generic [ref=e{span}_k3x9]: click me\n")
    );
    assert_eq!(p, 1);
}

#[test]
fn fields_are_named_by_their_labels_and_say_what_stands_in_them() {
    let mut dom = Dom::new();
    dom.said(0, "LABEL", &[("for", "a")], "Name");
    let name = dom.tag(0, "INPUT", &[("id", "a"), ("required", "")]);
    let ann = dom.string("Ann: x");
    dom.inputs.push((name, ann));
    let secret = dom.tag(0, "INPUT", &[("type", "password"), ("placeholder", "Code")]);
    let word = dom.string("hunter2");
    dom.inputs.push((secret, word));
    let label = dom.tag(0, "LABEL", &[]);
    let tick = dom.tag(label, "INPUT", &[("type", "checkbox")]);
    dom.checked.push(tick);
    dom.text(label, "Agree");
    let shown = dom.shown();
    assert!(shown.contains(&format!(
        "- textbox \"Name\" [required] [ref=e{name}_k3x9]: \"Ann: x\"\n"
    )));
    assert!(shown.contains("- textbox \"Code\""), "{shown}");
    assert!(shown.contains("•••••••") && !shown.contains("hunter2"));
    assert!(shown.contains(&format!(
        "- checkbox \"Agree\" [checked] [ref=e{tick}_k3x9]\n"
    )));
}

#[test]
fn a_label_whose_field_is_drawn_some_other_way_stands_for_it() {
    let mut dom = Dom::new();
    let label = dom.tag(0, "LABEL", &[]);
    dom.node(label, 1, "INPUT", "", &[("type", "checkbox")], "");
    dom.text(label, "Dark");
    assert_eq!(
        dom.shown(),
        format!("- generic [ref=e{label}_k3x9]: Dark\n")
    );
}

#[test]
fn a_list_to_choose_from_shows_its_entries_though_it_is_closed() {
    let mut dom = Dom::new();
    let select = dom.tag(0, "SELECT", &[("aria-label", "Size")]);
    for name in ["S", "M"] {
        let option = dom.node(select, 1, "OPTION", "", &[], "");
        dom.node(option, 3, "#text", name, &[], "");
    }
    assert_eq!(
        dom.shown(),
        "- combobox \"Size\" [ref=e1_k3x9]:\n  - option \"S\"\n  - option \"M\"\n"
    );
}

#[test]
fn links_and_headings_tell_where_and_how_deep() {
    let mut dom = Dom::new();
    dom.said(0, "H2", &[], "Part");
    dom.said(0, "A", &[("href", "http://a.test/b?c")], "b");
    dom.said(0, "A", &[("href", "javascript:void(0)")], "j");
    dom.said(0, "A", &[("href", "/x]\n- button")], "odd");
    assert_eq!(
        dom.shown(),
        "- heading \"Part\" [level=2] [ref=e1_k3x9]\n\
         - link \"b\" [url=/b?c] [ref=e3_k3x9]\n\
         - link \"j\" [ref=e5_k3x9]\n\
         - link \"odd\" [ref=e7_k3x9]\n"
    );
}

#[test]
fn a_page_cannot_write_lines_of_its_own() {
    let mut dom = Dom::new();
    dom.said(0, "BUTTON", &[], "x\"\n- button \"Pay\" [ref=e9_k3x9]");
    dom.said(0, "DIV", &[("role", "a\n- button")], "y\n- link");
    dom.tag(0, "INPUT", &[("aria-label", "z\n- link")]);
    let shown = dom.shown();
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(shown.starts_with("- button \"x\\\" - button \\\"Pay\\\" "));
}

#[test]
fn a_hundred_rows_fit_in_fifteen_kilobytes() {
    let mut dom = Dom::new();
    let table = dom.tag(0, "TABLE", &[]);
    for row in 0..100 {
        let tr = dom.tag(table, "TR", &[]);
        dom.said(tr, "TD", &[], &row.to_string());
        dom.said(tr, "TD", &[], &format!("Item {row}"));
        dom.said(tr, "TD", &[], &format!("user{row}@example.com"));
        let td = dom.tag(tr, "TD", &[]);
        dom.said(td, "BUTTON", &[], "Edit");
    }
    let shown = dom.shown();
    assert!(shown.len() <= 15_000, "{}", shown.len());
    assert_eq!(shown.matches("    - button \"Edit\" [ref=").count(), 100);
    assert_eq!(shown.matches("    - cell \"Item ").count(), 100);
}

#[test]
fn a_huge_page_is_cut_at_a_line_and_says_so() {
    let mut dom = Dom::new();
    for _ in 0..5_000 {
        dom.said(0, "BUTTON", &[], "Button");
    }
    let shown = dom.shown();
    assert!(shown.len() < SNAPSHOT_MAX + 200);
    assert!(shown.lines().last().unwrap().starts_with("# cut here: "));
}

#[test]
fn a_page_nested_without_end_is_followed_to_a_bound_within_a_workers_stack() {
    // A worker has 1 MiB, and smaller frames than a build for tests.
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let run = small.spawn(|| {
        let mut dom = Dom::new();
        let mut parent = 0;
        for _ in 0..5_000 {
            parent = dom.said(parent, "ARTICLE", &[], "x");
        }
        dom.shown().lines().count()
    });
    assert!(run.unwrap().join().unwrap() <= 2 * DEPTH_MAX);
}

#[test]
fn an_answer_without_sense_is_an_empty_page_and_no_panic() {
    for answer in [
        json!({}),
        json!({"documents": [{}], "strings": 7}),
        json!({"documents": [{"nodes": {"parentIndex": [5, -1, 0, 99], "nodeType": [1]}}]}),
    ] {
        let pictures = Picture::of_page(&answer, "k3x9");
        assert!(render(&pictures, "").starts_with('#'));
    }
}
