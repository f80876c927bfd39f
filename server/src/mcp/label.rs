//! What people shall call a session: the client's own name, or a text with `{folder}` and
//! `{branch}` in it. No program is started to learn the branch; `.git/HEAD` says it.

use protocol::limits;
use std::path::{Path, PathBuf};

/// Longest `.git` file or `HEAD` that is read: a ref is limited to 255 bytes a component, and
/// both files hold one line.
const GIT_FILE_MAX: u64 = 4096;

/// How much of a commit stands for it when no branch is checked out.
const COMMIT_SHOWN: usize = 8;

/// The label of a client that calls itself `name` in `version`; empty where it has no name.
pub(super) fn of_client(name: &str, version: &str) -> String {
    let text = format!("{} {}", name.trim(), version.trim());
    clean(text.trim())
}

/// Fills `{folder}` (the last part of `cwd`) and `{branch}` (of the repository around `cwd`;
/// nothing where there is none) into `template`, on one line of at most `limits::LABEL_MAX`
/// characters.
#[must_use]
pub fn fill(template: &str, cwd: &Path) -> String {
    let folder = cwd
        .file_name()
        .map_or_else(|| "/".into(), |name| name.to_string_lossy());
    let mut text = template.replace("{folder}", &folder);
    if text.contains("{branch}") {
        text = text.replace("{branch}", &branch(cwd).unwrap_or_default());
    }
    clean(text.trim())
}

fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(limits::LABEL_MAX)
        .collect()
}

fn branch(cwd: &Path) -> Option<String> {
    let head = cwd.ancestors().find_map(git_folder)?.join("HEAD");
    let head = read_line(&head)?;
    Some(match head.strip_prefix("ref: ") {
        Some(name) => name.strip_prefix("refs/heads/").unwrap_or(name).to_owned(),
        None => head.chars().take(COMMIT_SHOWN).collect(),
    })
}

/// `.git` is a folder, or in a worktree a file that names one.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let line = read_line(&git)?;
    Some(folder.join(line.strip_prefix("gitdir: ")?))
}

fn read_line(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(GIT_FILE_MAX).read_to_string(&mut text).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::files::tests::Scratch;
    use std::fs;

    #[test]
    fn a_client_is_called_by_its_name_and_version() {
        assert_eq!(of_client("claude-code", "2.1.329"), "claude-code 2.1.329");
        assert_eq!(of_client("x", ""), "x");
        assert_eq!(of_client(&"x".repeat(500), "1").chars().count(), 80);
        assert_eq!(of_client("a\nb", "1"), "a b 1");
    }

    #[test]
    fn folder_and_branch_are_filled_in() {
        let scratch = Scratch::new();
        let inner = scratch.folder("shop/src/deep");
        scratch.folder("shop/.git");
        fs::write(scratch.path("shop/.git/HEAD"), "ref: refs/heads/fix/cart\n").unwrap();
        assert_eq!(fill("{folder} on {branch}", &inner), "deep on fix/cart");
        assert_eq!(fill("plain", &inner), "plain");
    }

    #[test]
    fn a_detached_head_shows_its_commit() {
        let scratch = Scratch::new();
        scratch.folder(".git");
        let commit = "0123456789abcdef0123456789abcdef01234567\n";
        fs::write(scratch.path(".git/HEAD"), commit).unwrap();
        assert_eq!(fill("{branch}", &scratch.path("")), "01234567");
    }

    #[test]
    fn a_worktree_has_the_branch_of_its_own_head() {
        let scratch = Scratch::new();
        let tree = scratch.folder("tree");
        let private = scratch.folder("main/.git/worktrees/tree");
        fs::write(private.join("HEAD"), "ref: refs/heads/side\n").unwrap();
        fs::write(
            tree.join(".git"),
            format!("gitdir: {}\n", private.display()),
        )
        .unwrap();
        assert_eq!(fill("{branch}", &tree), "side");
    }
}
