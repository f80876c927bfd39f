//! Rules that keep PROTOCOL.md, from which other clients are written, beside the code.

use crate::repository::{expect_none, read};
use sha2::{Digest as _, Sha256};

/// The files whose every change may be one on the wire.
const WIRE: &[&str] = &[
    "protocol/src/frame.rs",
    "protocol/src/command.rs",
    "protocol/src/command/result.rs",
];

/// The line of PROTOCOL.md that says which state of `path` it describes.
fn mark(path: &str) -> String {
    let digest = Sha256::digest(read(path).replace("\r\n", "\n"));
    let digits: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("<!-- describes {path} {digits} -->")
}

#[test]
fn the_wire_changes_together_with_its_document() {
    let document = read("protocol/PROTOCOL.md");
    let stale = WIRE
        .iter()
        .map(|path| mark(path))
        .filter(|mark| !document.contains(mark));
    expect_none(
        "The wire's source changed. Bring protocol/PROTOCOL.md up to it, then set this line there:",
        stale,
    );
}

#[test]
fn every_error_code_is_documented() {
    let document = read("protocol/PROTOCOL.md");
    let missing = protocol::ErrorCode::ALL
        .iter()
        .map(|code| format!("`{}`", code.as_str()))
        .filter(|code| !document.contains(code));
    expect_none(
        "A client that meets an unknown code cannot know what to do: describe it in protocol/PROTOCOL.md.",
        missing,
    );
}
