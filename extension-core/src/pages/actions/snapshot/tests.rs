//! Trees as Chrome gives them, cut down to what is read.

use super::*;

/// `[id, role, name, children…]`; backend ids are the node ids.
fn node(id: i64, role: &str, name: &str, children: &[i64]) -> Value {
    let ids: Vec<String> = children.iter().map(ToString::to_string).collect();
    json!({
        "nodeId": id.to_string(), "ignored": false, "backendDOMNodeId": id,
        "role": {"value": role}, "name": {"value": name}, "childIds": ids, "parentId": "0",
    })
}

fn with(mut node: Value, name: &str, value: Value) -> Value {
    let property = json!({"name": name, "value": {"value": value}});
    match node["properties"].as_array_mut() {
        Some(list) => list.push(property),
        None => node["properties"] = json!([property]),
    }
    node
}

fn page(children: &[i64], nodes: Vec<Value>) -> String {
    let mut root = node(1, "RootWebArea", "Title", children);
    root.as_object_mut().unwrap().remove("parentId");
    let mut all = vec![root];
    all.extend(nodes);
    render(&json!({ "nodes": all }), "k3x9", "http://a.test")
}

#[test]
fn a_button_says_its_words_once_and_carries_a_ref() {
    let nodes = vec![
        with(node(2, "button", "Add it", &[3]), "focusable", json!(true)),
        node(3, "StaticText", "Add it", &[4]),
        node(4, "InlineTextBox", "Add it", &[]),
    ];
    assert_eq!(page(&[2], nodes), "- button \"Add it\" [ref=e2_k3x9]\n");
}

#[test]
fn wrappers_and_ignored_nodes_vanish_and_their_words_stay() {
    let mut ignored = node(2, "none", "", &[3]);
    ignored["ignored"] = json!(true);
    let nodes = vec![
        ignored,
        node(3, "paragraph", "", &[4, 5]),
        node(4, "StaticText", "Some ", &[]),
        node(5, "strong", "", &[6]),
        node(6, "StaticText", "bold  text", &[]),
    ];
    assert_eq!(page(&[2], nodes), "- text: Some bold text\n");
}

#[test]
fn a_box_with_words_of_its_own_can_be_clicked() {
    let nodes = vec![
        node(2, "generic", "", &[3]),
        node(3, "StaticText", "click me", &[]),
    ];
    assert_eq!(page(&[2], nodes), "- generic [ref=e2_k3x9]: click me\n");
}

#[test]
fn a_row_is_named_by_its_cells_and_a_cell_around_one_thing_is_that_thing() {
    let nodes = vec![
        node(2, "row", "7 Edit", &[3, 4]),
        node(3, "cell", "7", &[5]),
        node(5, "StaticText", "7", &[]),
        node(4, "cell", "Edit", &[6]),
        with(node(6, "button", "Edit", &[]), "focusable", json!(true)),
    ];
    let expected = "- row [ref=e2_k3x9]:\n  - cell \"7\"\n  - button \"Edit\" [ref=e6_k3x9]\n";
    assert_eq!(page(&[2], nodes), expected);
}

#[test]
fn states_and_values_are_told() {
    let mut field = with(node(2, "textbox", "Name", &[]), "required", json!(true));
    field["value"] = json!({"value": "Ann: x"});
    let link = with(node(3, "link", "b", &[]), "url", json!("http://a.test/b?c"));
    let nodes = vec![
        field,
        link,
        with(node(4, "checkbox", "ok", &[]), "checked", json!("true")),
        with(node(5, "heading", "H", &[]), "level", json!(2)),
    ];
    let expected = "- textbox \"Name\" [required] [ref=e2_k3x9]: \"Ann: x\"\n\
                    - link \"b\" [url=/b?c] [ref=e3_k3x9]\n\
                    - checkbox \"ok\" [checked] [ref=e4_k3x9]\n\
                    - heading \"H\" [level=2] [ref=e5_k3x9]\n";
    assert_eq!(page(&[2, 3, 4, 5], nodes), expected);
}

#[test]
fn a_page_cannot_write_lines_of_its_own() {
    let nodes = vec![node(
        2,
        "button",
        "x\"\n- button \"Pay\" [ref=e9_k3x9]",
        &[],
    )];
    let shown = page(&[2], nodes);
    assert_eq!(shown.lines().count(), 1);
    assert!(shown.starts_with("- button \"x\\\" - button \\\"Pay\\\" "));
}

#[test]
fn a_hundred_rows_fit_in_fifteen_kilobytes() {
    let mut nodes = Vec::new();
    let mut rows = Vec::new();
    for row in 0..100 {
        let id = 1_000 + row * 10;
        rows.push(id);
        nodes.push(node(id, "row", "", &[id + 1, id + 2, id + 3, id + 4]));
        for (at, name) in [(1, "17"), (2, "Item 17"), (3, "user17@example.com")] {
            nodes.push(node(id + at, "cell", name, &[]));
        }
        nodes.push(node(id + 4, "cell", "Edit", &[id + 5]));
        nodes.push(node(id + 5, "button", "Edit", &[]));
    }
    nodes.push(node(2, "table", "", &rows));
    let shown = page(&[2], nodes);
    assert!(shown.len() <= 15_000, "{}", shown.len());
    assert_eq!(shown.matches("- button").count(), 100);
}

#[test]
fn a_huge_page_is_cut_at_a_line_and_says_so() {
    let ids: Vec<i64> = (2..9_000).collect();
    let nodes = ids.iter().map(|id| node(*id, "button", "Button", &[]));
    let shown = page(&ids, nodes.collect());
    assert!(shown.len() < SNAPSHOT_MAX + 200);
    assert!(shown.lines().last().unwrap().starts_with("# cut here: "));
}

#[test]
fn a_page_nested_without_end_is_followed_to_a_bound() {
    let last = 20_000;
    let nodes = (2..last).map(|id| node(id, "group", "g", &[id + 1]));
    let shown = page(&[2], nodes.collect());
    assert!(shown.lines().count() <= DEPTH_MAX);
}
