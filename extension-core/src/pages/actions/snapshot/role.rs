//! What an element is to people: its role, its name, its states and what stands in it, after
//! WAI-ARIA, HTML-AAM and the accessible name computation, as far as a model needs them.

use super::document::{Document, plain};
use crate::pages::facts::clip;

/// How far a name looks into an element.
const NAME_DEPTH_MAX: usize = 40;
/// Longest URL shown at a link, in characters.
const URL_MAX: usize = 120;

/// What an element is in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Not shown, nor what is in it.
    Nothing,
    /// Part of a line of words.
    Inline,
    /// Only holds others together.
    Wrapper,
    /// By its ARIA name.
    Named(String),
}

pub(super) fn of(document: &Document<'_>, node: usize) -> Role {
    let tag = document.tag(node);
    if document.attribute(node, "aria-hidden") == Some("true") || document.has(node, "inert") {
        return Role::Nothing;
    }
    match tag {
        "SCRIPT" | "STYLE" | "TEMPLATE" | "NOSCRIPT" | "HEAD" | "META" | "LINK" | "DATALIST" => {
            return Role::Nothing;
        }
        _ => {}
    }
    if let Some(role) = document.attribute(node, "role") {
        let first = role.split_ascii_whitespace().next().unwrap_or_default();
        let plain = first.len() <= 30 && first.bytes().all(|b| b.is_ascii_lowercase());
        match first {
            "none" | "presentation" | "generic" | "rowgroup" => return Role::Wrapper,
            "image" => return named("img"),
            first if plain && !first.is_empty() => return named(first),
            _ => {}
        }
    }
    let own = match tag {
        "A" | "AREA" if document.has(node, "href") => "link",
        "BUTTON" => "button",
        "H1" | "H2" | "H3" | "H4" | "H5" | "H6" => "heading",
        "UL" | "OL" | "MENU" | "DL" => "list",
        "LI" => "listitem",
        "DT" => "term",
        "DD" => "definition",
        "TABLE" => "table",
        "TR" => "row",
        "TD" => "cell",
        "TH" if document.attribute(node, "scope") == Some("row") => "rowheader",
        "TH" => "columnheader",
        "IMG" => match document.attribute(node, "alt") {
            Some("") => return Role::Nothing,
            Some(_) | None => "img",
        },
        // The drawing, not its lines.
        "svg" | "SVG" => {
            return if label(document, node).is_some() {
                named("img")
            } else {
                Role::Nothing
            };
        }
        "NAV" => "navigation",
        "MAIN" => "main",
        "ARTICLE" => "article",
        "ASIDE" => "complementary",
        "HEADER" if !in_section(document, node) => "banner",
        "FOOTER" if !in_section(document, node) => "contentinfo",
        "SECTION" if label(document, node).is_some() => "region",
        "FORM" if label(document, node).is_some() => "form",
        "SEARCH" => "search",
        "FIELDSET" | "DETAILS" | "OPTGROUP" => "group",
        "FIGURE" => "figure",
        "SUMMARY" => "button",
        "DIALOG" => "dialog",
        "BLOCKQUOTE" => "blockquote",
        "HR" => "separator",
        "PROGRESS" => "progressbar",
        "METER" => "meter",
        "OUTPUT" => "status",
        "SELECT" if document.has(node, "multiple") || many_rows(document, node) => "listbox",
        "SELECT" => "combobox",
        "OPTION" => "option",
        "TEXTAREA" => "textbox",
        "INPUT" => return input(document, node),
        "IFRAME" | "FRAME" => "iframe",
        "VIDEO" => "video",
        "AUDIO" => "audio",
        "CANVAS" => "canvas",
        "B" | "STRONG" | "EM" | "I" | "U" | "S" | "MARK" | "SMALL" | "SUB" | "SUP" | "ABBR"
        | "CODE" | "KBD" | "SAMP" | "VAR" | "TIME" | "CITE" | "Q" | "BDI" | "BDO" | "DEL"
        | "INS" | "WBR" | "DFN" | "DATA" | "FONT" => return Role::Inline,
        _ if is_editable(document, node) => "textbox",
        _ => return Role::Wrapper,
    };
    named(own)
}

fn named(role: &str) -> Role {
    Role::Named(role.to_owned())
}

fn input(document: &Document<'_>, node: usize) -> Role {
    let kind = document.attribute(node, "type").unwrap_or_default();
    named(match kind.to_ascii_lowercase().as_str() {
        "hidden" => return Role::Nothing,
        "button" | "submit" | "reset" | "image" | "file" => "button",
        "checkbox" => "checkbox",
        "radio" => "radio",
        "range" => "slider",
        "number" => "spinbutton",
        "search" => "searchbox",
        "color" => "color",
        "date" | "datetime-local" | "month" | "week" => "date",
        "time" => "time",
        _ => "textbox",
    })
}

fn is_editable(document: &Document<'_>, node: usize) -> bool {
    matches!(
        document.attribute(node, "contenteditable"),
        Some("" | "true" | "plaintext-only")
    )
}

fn many_rows(document: &Document<'_>, node: usize) -> bool {
    let size = document.attribute(node, "size");
    size.is_some_and(|size| size.parse::<u32>().is_ok_and(|size| size > 1))
}

/// Inside a part of the page, whose head and foot are not the page's.
fn in_section(document: &Document<'_>, node: usize) -> bool {
    let mut at = document.parent(node);
    while let Some(node) = at {
        if matches!(
            document.tag(node),
            "ARTICLE" | "ASIDE" | "MAIN" | "NAV" | "SECTION"
        ) {
            return true;
        }
        at = document.parent(node);
    }
    false
}

/// Roles that are acted on.
pub(super) fn has_ref(role: &str) -> bool {
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
    )
}

/// Roles that are named by what is in them.
fn is_named_by_content(role: &str) -> bool {
    matches!(
        role,
        "button"
            | "link"
            | "heading"
            | "cell"
            | "gridcell"
            | "columnheader"
            | "rowheader"
            | "option"
            | "checkbox"
            | "radio"
            | "switch"
            | "tab"
            | "menuitem"
            | "menuitemcheckbox"
            | "menuitemradio"
            | "treeitem"
            | "tooltip"
            | "term"
    )
}

/// What its author calls it: `aria-labelledby`, `aria-label`, or nothing.
fn label(document: &Document<'_>, node: usize) -> Option<String> {
    if let Some(ids) = document.attribute(node, "aria-labelledby") {
        let parts = ids.split_ascii_whitespace();
        let parts = parts.filter_map(|id| document.by_id(id));
        let parts: Vec<String> = parts.map(|node| content(document, node)).collect();
        let all = plain(&parts.join(" "));
        if !all.is_empty() {
            return Some(all);
        }
    }
    let label = plain(document.attribute(node, "aria-label")?);
    (!label.is_empty()).then_some(label)
}

/// The accessible name, on one line, bounded. Empty for none.
pub(super) fn name(document: &Document<'_>, node: usize, role: &str) -> String {
    if let Some(label) = label(document, node) {
        return label;
    }
    let of = |name: &str| {
        let said = document.attribute(node, name).map(plain);
        said.filter(|said| !said.is_empty())
    };
    let inner = |tag: &str| {
        let children = document.children(node).iter();
        let mut found = children.filter(|child| document.tag(**child) == tag);
        found.next().map(|child| content(document, *child))
    };
    let own = match document.tag(node) {
        "INPUT" => match document.attribute(node, "type").unwrap_or_default() {
            "submit" => of("value").or_else(|| Some("Submit".into())),
            "reset" => of("value").or_else(|| Some("Reset".into())),
            "button" => of("value"),
            "image" => of("alt").or_else(|| of("value")),
            _ => labelled(document, node),
        },
        "TEXTAREA" | "SELECT" | "PROGRESS" | "METER" | "OUTPUT" => labelled(document, node),
        "IMG" | "AREA" => of("alt"),
        "FIELDSET" => inner("LEGEND"),
        "TABLE" => inner("CAPTION"),
        "FIGURE" => inner("FIGCAPTION"),
        "OPTGROUP" => of("label"),
        "OPTION" => of("label"),
        "BUTTON" => labelled(document, node).filter(|_| content(document, node).is_empty()),
        _ => None,
    };
    let own = own.filter(|own| !own.is_empty());
    let by_content = || {
        let named = is_named_by_content(role).then(|| content(document, node));
        named.filter(|named| !named.is_empty())
    };
    own.or_else(by_content)
        .or_else(|| of("title"))
        .or_else(|| of("placeholder"))
        .unwrap_or_default()
}

/// What its `label` says.
fn labelled(document: &Document<'_>, node: usize) -> Option<String> {
    let by_id = document.attribute(node, "id");
    if let Some(label) = by_id.and_then(|id| document.label_for(id)) {
        return Some(content(document, label));
    }
    let mut at = document.parent(node);
    while let Some(above) = at {
        if document.tag(above) == "LABEL" {
            return Some(content(document, above));
        }
        at = document.parent(above);
    }
    None
}

/// The words in an element as they are read out.
fn content(document: &Document<'_>, node: usize) -> String {
    let mut out = String::new();
    gather(document, node, 0, &mut out);
    plain(&out)
}

fn gather(document: &Document<'_>, node: usize, depth: usize, out: &mut String) {
    if depth > NAME_DEPTH_MAX || out.len() > super::TEXT_MAX * 4 {
        return;
    }
    if document.is_text(node) {
        if document.is_visible(node) || document.tag_above(node) == "OPTION" {
            out.push_str(&document.words(node));
            out.push(' ');
        }
        return;
    }
    if depth > 0 {
        if of(document, node) == Role::Nothing {
            return;
        }
        if matches!(document.tag(node), "SELECT" | "INPUT" | "TEXTAREA") {
            return;
        }
        let said = label(document, node).or_else(|| {
            let alt = (document.tag(node) == "IMG").then(|| document.attribute(node, "alt"));
            alt.flatten().map(plain)
        });
        if let Some(said) = said {
            out.push_str(&said);
            out.push(' ');
            return;
        }
    }
    for child in document.children(node) {
        gather(document, *child, depth + 1, out);
    }
}

/// What stands in a field; a password only by its length.
pub(super) fn value(document: &Document<'_>, node: usize, role: &str) -> String {
    match document.tag(node) {
        "INPUT" => match role {
            "button" | "checkbox" | "radio" => String::new(),
            _ => {
                let value = document.input(node).unwrap_or_default();
                match document.attribute(node, "type") {
                    Some(kind) if kind.eq_ignore_ascii_case("password") => {
                        "•".repeat(value.chars().count().min(20))
                    }
                    Some(_) | None => plain(value),
                }
            }
        },
        "TEXTAREA" => document.input(node).map(plain).unwrap_or_default(),
        "PROGRESS" | "METER" => plain(document.attribute(node, "value").unwrap_or_default()),
        _ => {
            let value = document.attribute(node, "aria-valuetext");
            let value = value.or_else(|| document.attribute(node, "aria-valuenow"));
            value.map(plain).unwrap_or_default()
        }
    }
}

/// The states, as ` [checked] [url=/x]`.
pub(super) fn attributes(document: &Document<'_>, node: usize, role: &str, origin: &str) -> String {
    let tag = document.tag(node);
    let mut out = String::new();
    let mut add = |attribute: &str| {
        out.push_str(" [");
        out.push_str(attribute);
        out.push(']');
    };
    let aria = |name: &str| document.attribute(node, name);
    match (document.is_checked(node), aria("aria-checked")) {
        (true, _) | (false, Some("true")) => add("checked"),
        (false, Some("mixed")) => add("checked=mixed"),
        (false, Some(_) | None) => {}
    }
    match aria("aria-pressed") {
        Some("true") => add("pressed"),
        Some("mixed") => add("pressed=mixed"),
        Some(_) | None => {}
    }
    let field = matches!(
        tag,
        "BUTTON" | "INPUT" | "SELECT" | "TEXTAREA" | "OPTION" | "OPTGROUP" | "FIELDSET"
    );
    if (field && document.has(node, "disabled")) || aria("aria-disabled") == Some("true") {
        add("disabled");
    }
    let details = tag == "SUMMARY" && document.tag_above(node) == "DETAILS";
    let open = || {
        let above = document.parent(node);
        above.is_some_and(|above| document.has(above, "open"))
    };
    match aria("aria-expanded") {
        Some("true") => add("expanded"),
        Some("false") => add("collapsed"),
        Some(_) | None if details => add(if open() { "expanded" } else { "collapsed" }),
        Some(_) | None => {}
    }
    if role == "heading" {
        let own = tag.strip_prefix('H').and_then(|level| level.parse().ok());
        let level: Option<u8> = aria("aria-level").and_then(|l| l.parse().ok()).or(own);
        if let Some(level) = level {
            add(&format!("level={level}"));
        }
    }
    if document.has(node, "required") || aria("aria-required") == Some("true") {
        add("required");
    }
    if (tag == "OPTION" && document.is_selected(node)) || aria("aria-selected") == Some("true") {
        add("selected");
    }
    if tag == "INPUT" && aria("type") == Some("file") {
        add("file");
    }
    if role == "link"
        && let Some(url) = aria("href")
    {
        let url = url.trim();
        let own = url.strip_prefix(origin).filter(|own| own.starts_with('/'));
        let url = own.filter(|_| !origin.is_empty()).unwrap_or(url);
        let plain = url
            .chars()
            .all(|c| c.is_ascii_graphic() && c != '[' && c != ']');
        if plain && !url.is_empty() && !url.starts_with("javascript:") {
            add(&format!("url={}", clip(url, URL_MAX)));
        }
    }
    out
}
