//! What the rules look at: the files that git tracks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("tests/tidy lies two folders below the root")
        .to_path_buf()
}

/// Runs a program in the root and gives what it printed.
pub(crate) fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

/// A file that git tracks, as it stands in the working folder.
pub(crate) struct Tracked {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// `None` for what is no text.
    pub(crate) text: Option<String>,
}

impl Tracked {
    /// Whether the name ends in `.` and one of these.
    pub(crate) fn is(&self, extensions: &[&str]) -> bool {
        self.path
            .rsplit_once('.')
            .is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// The lines with their numbers, as `path:number` and text.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (String, &str)> {
        let text = self.text.as_deref().unwrap_or("");
        text.lines()
            .enumerate()
            .map(|(index, line)| (format!("{}:{}", self.path, index + 1), line))
    }
}

/// Every tracked file that exists, new ones that are not ignored included.
pub(crate) fn tracked() -> Vec<Tracked> {
    let listed = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    output_of("git", &listed)
        .split_terminator('\0')
        .filter_map(|path| {
            let bytes = fs::read(root().join(path)).ok()?;
            Some(Tracked {
                path: path.to_owned(),
                text: String::from_utf8(bytes).ok(),
            })
        })
        .collect()
}

/// The text of a file that must be there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with the reason of the rule and each place that breaks it.
pub(crate) fn expect_none(reason: &str, places: impl IntoIterator<Item = String>) {
    let places: Vec<String> = places.into_iter().collect();
    assert!(places.is_empty(), "{reason}\n  {}", places.join("\n  "));
}
