//! Rules for every file, whatever is in it.

use crate::repository::{expect_none, read, root, tracked};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// A pairing secret is 32 bytes, so this many hex digits.
const SECRET_DIGITS: usize = 64;
/// And so many letters in base64, before the `=`.
const SECRET_LETTERS: usize = 43;

#[test]
fn no_file_of_a_person_is_tracked() {
    let names = ["pairing.json", "config.json", "secret"];
    let found = tracked()
        .into_iter()
        .filter(|file| names.contains(&file.path.rsplit('/').next().unwrap_or("")))
        .map(|file| file.path);
    expect_none(
        "These hold one user's pairing and ports: whoever reads the secret drives that user's browser.",
        found,
    );
}

/// Where the worked example of the proof stands: what it computes from its pattern looks like a
/// secret and is none, and a test of `protocol` computes it again.
const WORKED_EXAMPLE: &str = "protocol/PROTOCOL.md";
/// The keys and proofs there that are no visible pattern.
const WORKED_OUT: usize = 4;

/// The runs of hex digits in `line` that have a secret's length.
fn secrets_in(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_hexdigit())
        .filter(|run| run.len() == SECRET_DIGITS)
}

/// Whether `line` holds what could be 32 bytes in base64 or base64url: names of functions have
/// its length too, but not digits and both cases all over.
fn holds_base64(line: &str) -> bool {
    let part_of = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let many = |run: &str, kind: fn(&char) -> bool| run.chars().filter(kind).count() >= 3;
    line.split(|c: char| !part_of(c)).any(|run| {
        run.len() == SECRET_LETTERS
            && many(run, char::is_ascii_digit)
            && many(run, char::is_ascii_uppercase)
            && many(run, char::is_ascii_lowercase)
    })
}

/// Whether each byte follows from the one before by the same step, as nobody's secret does.
fn is_a_pattern(hex: &str) -> bool {
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .filter_map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok())
        .collect();
    let steps: Vec<u8> = bytes.windows(2).map(|w| w[1].wrapping_sub(w[0])).collect();
    steps.windows(2).all(|w| w[0] == w[1])
}

#[test]
fn no_text_holds_what_could_be_a_secret() {
    let document = read(WORKED_EXAMPLE);
    let mut worked_out: Vec<&str> = document
        .lines()
        .flat_map(secrets_in)
        .filter(|run| !is_a_pattern(run))
        .collect();
    worked_out.sort_unstable();
    worked_out.dedup();
    assert_eq!(
        worked_out.len(),
        WORKED_OUT,
        "{WORKED_EXAMPLE} holds other digits than those of its worked example: {worked_out:?}"
    );
    let found = tracked()
        .into_iter()
        .filter(|file| file.path != "Cargo.lock")
        .flat_map(|file| {
            let suspect = |run: &str| !is_a_pattern(run) && !worked_out.contains(&run);
            file.lines()
                .filter(|(_, line)| secrets_in(line).any(suspect) || holds_base64(line))
                .map(|(place, _)| place)
                .collect::<Vec<_>>()
        });
    expect_none(
        "A real secret may have slipped in. One for a test is a visible pattern: 0707…07 or 000102…1f.",
        found,
    );
}

#[test]
fn a_pattern_is_told_from_a_secret() {
    let counting: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
    assert!(is_a_pattern(&counting));
    assert!(is_a_pattern(&"07".repeat(32)));
    let grown: String = (0..32u32).map(|i| format!("{:02x}", i * i % 251)).collect();
    assert!(!is_a_pattern(&grown));
    let bytes: Vec<u8> = (0..32u32).map(|i| (i * i * 7 % 251) as u8).collect();
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        let text = engine.encode(&bytes);
        assert!(holds_base64(&format!("key: \"{text}\"")), "{text}");
    }
    assert!(!holds_base64(
        "fn a_name_of_forty_three_characters_is_no_secre()"
    ));
}

/// Whether `line` names an absolute path that begins with `folder`, which ends in `/`.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || "_./-:".contains(c))
    })
}

#[test]
fn no_text_names_a_folder_of_the_machine_it_was_written_on() {
    let mut folders = vec![
        concat!("/ho", "me/").to_owned(),
        concat!("/Us", "ers/").to_owned(),
        concat!("/ro", "ot/").to_owned(),
    ];
    folders.push(format!("{}/", root().display()));
    let found = tracked().into_iter().flat_map(|file| {
        file.lines()
            .filter(|(_, line)| folders.iter().any(|folder| names_folder(line, folder)))
            .map(|(place, line)| format!("{place}: {}", line.trim()))
            .collect::<Vec<_>>()
    });
    expect_none(
        "Such a path is wrong everywhere else and tells who worked where.",
        found,
    );
}

#[test]
fn the_changelog_says_what_comes_next() {
    assert!(
        read("CHANGELOG.md").contains("\n## Unreleased\n"),
        "CHANGELOG.md needs its \"## Unreleased\" section: whoever changes something users see writes there."
    );
}

#[test]
fn the_readme_opens_with_the_two_commands() {
    let readme = read("README.md");
    for command in ["./build.sh demo", "./build.sh test"] {
        assert!(
            readme.contains(command),
            "README.md does not name `{command}`, which is how a newcomer sees that it works."
        );
    }
}

#[test]
fn what_the_readme_gives_to_clients_is_json() {
    let readme = read("README.md");
    let blocks = readme
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or(rest));
    let words = readme
        .split("--add-mcp '")
        .skip(1)
        .map(|rest| rest.split('\'').next().unwrap_or(rest));
    let servers: Vec<serde_json::Value> = blocks
        .chain(words)
        .map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")))
        .collect();
    assert_eq!(servers.len(), 3, "Claude Desktop, Cursor, VS Code");
    for server in servers {
        let command = server.pointer("/mcpServers/interlock/command");
        assert_eq!(command.or(server.get("command")), Some(&"interlock".into()));
    }
}
