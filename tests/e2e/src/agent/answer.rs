//! What a tool call brings back, read for tests: text, error code, picture, progress.

use serde_json::Value;
use std::fmt;

/// The answer to a tool call: a result, a tool's error or a JSON-RPC error.
#[derive(Debug, Clone)]
pub struct Answer {
    /// All text blocks, joined by line ends.
    pub text: String,
    /// Why it failed, when it did.
    error: Option<String>,
    /// The whole JSON-RPC message.
    pub raw: Value,
}

impl Answer {
    pub(super) fn read(message: &Value) -> Self {
        let blocks = message["result"]["content"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let texts: Vec<&str> = blocks
            .iter()
            .filter_map(|block| block["text"].as_str())
            .collect();
        let text = texts.join("\n");
        let error = match message.get("error") {
            Some(error) => Some(error.to_string()),
            None if message["result"]["isError"] == true => Some(text.clone()),
            None => None,
        };
        Self {
            text,
            error,
            raw: message.clone(),
        }
    }

    /// Whether the tool did what it was asked.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.error.is_none()
    }

    /// The error code of a tool that failed.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        let result = &self.raw["result"];
        match (&self.error, result["_meta"]["code"].as_str()) {
            (None, _) => None,
            (Some(_), Some(code)) => Some(code),
            // A JSON-RPC error, or a failure without a code: neither should be.
            (Some(_), None) => Some("no code"),
        }
    }

    /// Whether it failed with this error code, as a whole word of the answer.
    #[must_use]
    pub fn failed_with(&self, code: &str) -> bool {
        let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let words = |error: &String| error.split(|letter| !word(letter)).any(|one| one == code);
        self.error.as_ref().is_some_and(words)
    }

    /// Looks closely at an answer that must have failed with `code`: every part of it says so, and
    /// its words name each of `things`, what it is about and what can be done.
    ///
    /// # Panics
    /// When it is anything else.
    #[track_caller]
    pub fn must_fail(&self, code: &str, things: &[&str]) {
        let result = &self.raw["result"];
        assert_eq!(result["isError"], true, "{self}");
        assert_eq!(result["_meta"]["code"], code, "{self}");
        assert!(result["_meta"]["retry"].is_string(), "{self}");
        let begins = format!("Error {code} (");
        assert!(self.text.starts_with(&begins), "{self}");
        let mut below = self.text.lines().skip(1);
        let advised = below.any(|line| line.ends_with('.'));
        assert!(advised, "no sentence of advice: {self}");
        for thing in things {
            assert!(self.text.contains(thing), "no word of {thing:?}: {self}");
        }
    }

    /// The picture of the answer, base64.
    #[must_use]
    pub fn picture(&self) -> Option<&str> {
        self.raw["result"]["content"]
            .as_array()?
            .iter()
            .find_map(|block| block["data"].as_str())
    }

    /// The tab that the answer names first: a number after the word "tab", as in `tab 12`.
    #[must_use]
    pub fn tab(&self) -> Option<i64> {
        tab_in(&self.text)
    }

    /// The alias of the session labelled `label`, where the answer writes `alias (label)`.
    #[must_use]
    pub fn alias_of(&self, label: &str) -> Option<String> {
        let (before, _) = self.text.split_once(&format!(" ({label})"))?;
        let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let word = before.rsplit(|one| !letter(one)).next()?;
        Some(word.to_owned()).filter(|word| !word.is_empty())
    }

    /// The ref of the first line of a snapshot that contains all `words`.
    #[must_use]
    pub fn reference(&self, words: &[&str]) -> Option<String> {
        let fits = |line: &&str| words.iter().all(|word| line.contains(word));
        let line = self
            .text
            .lines()
            .filter(|line| line.contains("[ref="))
            .find(fits)?;
        let (_, rest) = line.split_once("[ref=")?;
        Some(rest.split_once(']')?.0.to_owned())
    }
}

fn tab_in(text: &str) -> Option<i64> {
    let low = text.to_ascii_lowercase();
    low.match_indices("tab").find_map(|(at, word)| {
        let rest = &low[at + word.len()..];
        let rest = rest.strip_prefix("id").unwrap_or(rest);
        let rest = rest.trim_start_matches([' ', ':', '"', '=', '#', '*', '`']);
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..digits].parse().ok()
    })
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "error: {error}"),
            None => f.write_str(&self.text),
        }
    }
}

/// One progress notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Rises from one to the next.
    pub progress: f64,
    /// For people: position and owner of a claim, for example.
    pub message: String,
}

impl Progress {
    pub(super) fn read(params: &Value) -> Self {
        Self {
            progress: params["progress"].as_f64().unwrap_or(0.0),
            message: params["message"].as_str().unwrap_or("").to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failed(text: &str) -> Answer {
        Answer::read(
            &json!({"result": {"isError": true, "content": [{"type": "text", "text": text}]}}),
        )
    }

    #[test]
    fn a_code_counts_only_as_a_whole_word() {
        assert!(failed("tab_owned: another has it").failed_with("tab_owned"));
        assert!(!failed("tab_owned_by_nobody").failed_with("tab_owned"));
    }

    #[test]
    fn a_result_never_counts_as_failed() {
        let fine =
            Answer::read(&json!({"result": {"content": [{"type": "text", "text": "deadlock"}]}}));
        assert!(fine.is_ok() && !fine.failed_with("deadlock"));
    }

    #[test]
    #[should_panic(expected = "no word of \"tab 9\"")]
    fn a_failure_that_names_another_thing_is_not_what_must_be() {
        let text = "Error tab_owned (retry later): Tab 7 belongs to a2.\nAsk a2 to release tab 7.";
        let result = json!({"isError": true, "content": [{"type": "text", "text": text}],
            "_meta": {"code": "tab_owned", "retry": "later"}});
        let answer = Answer::read(&json!({ "result": result }));
        answer.must_fail("tab_owned", &["a2", "tab 7"]);
        answer.must_fail("tab_owned", &["tab 9"]);
    }

    #[test]
    fn a_ref_is_found_by_the_words_of_its_line() {
        let text = "- heading \"Shop\" [ref=a1]\n- button \"Order\" [ref=b2] [cursor=pointer]";
        let answer =
            Answer::read(&json!({"result": {"content": [{"type": "text", "text": text}]}}));
        assert_eq!(
            answer.reference(&["button", "Order"]).as_deref(),
            Some("b2")
        );
        assert_eq!(answer.reference(&["link"]), None);
    }

    #[test]
    fn the_tab_is_the_first_number_after_the_word() {
        assert_eq!(tab_in("Table 5. Tab 1204, open tabs: 3"), Some(1204));
        assert_eq!(tab_in("{\"tabId\": 77}"), Some(77));
        assert_eq!(tab_in("no tabs at all"), None);
    }

    #[test]
    fn an_alias_stands_before_its_label() {
        let text = "You are a-1 (one). Others: b-2 (two)";
        let answer =
            Answer::read(&json!({"result": {"content": [{"type": "text", "text": text}]}}));
        assert_eq!(answer.alias_of("two").as_deref(), Some("b-2"));
        assert_eq!(answer.alias_of("three"), None);
    }
}
