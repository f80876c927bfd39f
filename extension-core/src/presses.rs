//! What a call presses in a page: it goes down and up in one breath, yet the worker may die between
//! the two. So this is written with the call's *begun*, and the next life knows what may be down
//! (`pages/tab/mend.rs`). Nothing is let up that the call did not press: a page hears of every release,
//! also of what never went down, and may act on it.

use protocol::Command;
use protocol::command::{Button, Chord, Type};
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Presses {
    /// Neither button nor key.
    #[default]
    Nothing,
    /// A mouse button.
    Button(Button),
    /// A key and what is held meanwhile, as [`Chord::parse`] reads it.
    Keys(String),
}

impl Presses {
    /// What this command presses. Of text that is typed key by key it is nothing: which key is down
    /// nobody could tell, and text is not stored.
    #[must_use]
    pub fn of(command: &Command) -> Self {
        match command {
            // On Linux a page gets what was selected last, anywhere, with each release of the middle one:
            // that would be worse than one that is down.
            Command::Click(click) if click.button == Button::Middle => Self::Nothing,
            Command::Click(click) => Self::Button(click.button),
            Command::PressKey(chord) => Self::Keys(named(chord)),
            Command::Type(Type {
                text,
                slowly,
                submit,
                ..
            }) => match (text.is_empty(), slowly, submit) {
                (true, _, false) => Self::Keys("Delete".into()),
                (false, false, true) => Self::Keys("Enter".into()),
                // One key after another, or none.
                (true, _, true) | (false, true, _) | (false, false, false) => Self::Nothing,
            },
            Command::Navigate(_)
            | Command::Snapshot
            | Command::Hover(_)
            | Command::MouseWheel(_)
            | Command::SelectOption(_)
            | Command::Evaluate(_)
            | Command::WaitFor(_)
            | Command::Screenshot(_)
            | Command::HandleDialog(_)
            | Command::ConsoleMessages(_)
            | Command::NetworkRequests(_)
            | Command::Tabs(_)
            | Command::Session => Self::Nothing,
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

fn named(chord: &Chord) -> String {
    let held = chord.modifiers.iter().map(|held| format!("{held:?}+"));
    held.chain([chord.key.key.clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_chord_is_read_again_as_it_was() {
        for key in [
            "Enter",
            "a",
            "Shift+a",
            "Control+A",
            "ControlOrMeta+Shift+k",
            "Alt+F4",
            "+",
            "Shift++",
            "Control++",
            "Shift+1",
            "Space",
            "Shift",
            "Meta+Shift",
            "\u{e4}",
        ] {
            let chord = Chord::parse(key).unwrap();
            assert_eq!(
                Chord::parse(&named(&chord)).unwrap().key.code,
                chord.key.code
            );
            let mut again = Chord::parse(&named(&chord)).unwrap();
            again.key.text.clone_from(&chord.key.text);
            assert_eq!(again, chord, "{key}");
        }
    }

    #[test]
    fn the_middle_button_is_not_let_up_and_the_others_are() {
        let presses = |button| {
            let arguments = json!({"target": "e1_x", "button": button});
            Presses::of(&Command::decode("browser_click", &arguments).unwrap())
        };
        assert_eq!(presses("left"), Presses::Button(Button::Left));
        assert_eq!(presses("right"), Presses::Button(Button::Right));
        assert_eq!(presses("middle"), Presses::Nothing);
    }

    #[test]
    fn what_is_typed_key_by_key_is_not_stored() {
        let typed = |arguments| Presses::of(&Command::decode("browser_type", &arguments).unwrap());
        let secret = json!({"target": "e1_x", "text": "secret", "slowly": true, "submit": true});
        assert_eq!(typed(secret), Presses::Nothing);
        let sent = json!({"target": "e1_x", "text": "secret", "submit": true});
        assert_eq!(typed(sent), Presses::Keys("Enter".into()));
        let cleared = json!({"target": "e1_x", "text": ""});
        assert_eq!(typed(cleared), Presses::Keys("Delete".into()));
        let filled = json!({"target": "e1_x", "text": "secret"});
        assert_eq!(typed(filled), Presses::Nothing);
    }
}
