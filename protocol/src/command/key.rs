//! Keys by name, as Playwright takes them: a name of the UI Events standard (`Enter`,
//! `ArrowDown`, `F5`) or a single character, after modifiers that are held (`Control+a`,
//! `Shift+Tab`). Codes and numbers are those of a US keyboard, which is what pages look for.

use super::{Modifier, bad};
use crate::error::Fault;

/// Longest name of a combination, in bytes: all modifiers and a key have 50.
const KEYS_MAX: usize = 64;
/// Most characters that count as one, where a script writes one with several code points.
const CLUSTER_MAX: usize = 8;

/// One key, pressed while others are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chord {
    /// Held meanwhile, in the order in which they go down.
    pub modifiers: Vec<Modifier>,
    /// The key.
    pub key: Key,
}

/// A key as `KeyboardEvent` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// `KeyboardEvent.key`.
    pub key: String,
    /// `KeyboardEvent.code`; empty for a character that is not on a US keyboard.
    pub code: String,
    /// Windows' number of the key, which is `KeyboardEvent.keyCode`; 0 for none.
    pub virtual_key: u32,
    /// What it types; empty for nothing.
    pub text: String,
}

/// Keys with a name: name, which is also the code, and Windows' number.
const NAMED: &[(&str, u32)] = &[
    ("Enter", 13),
    ("Tab", 9),
    ("Escape", 27),
    ("Backspace", 8),
    ("Delete", 46),
    ("Insert", 45),
    ("Home", 36),
    ("End", 35),
    ("PageUp", 33),
    ("PageDown", 34),
    ("ArrowLeft", 37),
    ("ArrowUp", 38),
    ("ArrowRight", 39),
    ("ArrowDown", 40),
    ("CapsLock", 20),
    ("NumLock", 144),
    ("ScrollLock", 145),
    ("PrintScreen", 44),
    ("Pause", 19),
    ("ContextMenu", 93),
];

/// Modifiers: name, code, Windows' number.
const MODIFIERS: &[(&str, &str, u32)] = &[
    ("Shift", "ShiftLeft", 16),
    ("Control", "ControlLeft", 17),
    ("Alt", "AltLeft", 18),
    ("Meta", "MetaLeft", 91),
];

/// Names that people and models write besides.
const ALIASES: &[(&str, &str)] = &[
    ("Esc", "Escape"),
    ("Return", "Enter"),
    ("Del", "Delete"),
    ("Up", "ArrowUp"),
    ("Down", "ArrowDown"),
    ("Left", "ArrowLeft"),
    ("Right", "ArrowRight"),
    ("Ctrl", "Control"),
    ("Cmd", "Meta"),
    ("Command", "Meta"),
    ("Option", "Alt"),
];

/// Characters of a US keyboard: plain, with Shift, code, Windows' number.
const PRINTED: &[(char, char, &str, u32)] = &[
    (' ', ' ', "Space", 32),
    ('0', ')', "Digit0", 48),
    ('1', '!', "Digit1", 49),
    ('2', '@', "Digit2", 50),
    ('3', '#', "Digit3", 51),
    ('4', '$', "Digit4", 52),
    ('5', '%', "Digit5", 53),
    ('6', '^', "Digit6", 54),
    ('7', '&', "Digit7", 55),
    ('8', '*', "Digit8", 56),
    ('9', '(', "Digit9", 57),
    (';', ':', "Semicolon", 186),
    ('=', '+', "Equal", 187),
    (',', '<', "Comma", 188),
    ('-', '_', "Minus", 189),
    ('.', '>', "Period", 190),
    ('/', '?', "Slash", 191),
    ('`', '~', "Backquote", 192),
    ('[', '{', "BracketLeft", 219),
    ('\\', '|', "Backslash", 220),
    (']', '}', "BracketRight", 221),
    ('\'', '"', "Quote", 222),
];

impl Chord {
    /// Reads `Enter`, `Control+Shift+k`, `+`, `Shift++`, `ä`.
    ///
    /// # Errors
    /// `bad_arguments` naming the part that is no key.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() || text.len() > KEYS_MAX {
            return Err(bad(format!(
                "`key` has 1 to {KEYS_MAX} bytes, such as Enter or Control+a"
            )));
        }
        let (held, name) = match text.strip_suffix('+') {
            Some("") => ("", "+"),
            Some(before) => match before.strip_suffix('+') {
                Some(held) => (held, "+"),
                None => return Err(unknown("")),
            },
            None => text.rsplit_once('+').unwrap_or(("", text)),
        };
        let held = held.split('+').filter(|_| !held.is_empty());
        let modifiers: Vec<Modifier> = held.map(modifier).collect::<Result<_, _>>()?;
        let shift = modifiers.contains(&Modifier::Shift);
        let commands = modifiers.iter().any(|held| *held != Modifier::Shift);
        let mut key = Key::named(name, shift, commands).ok_or_else(|| unknown(name))?;
        if commands {
            // It is a command: nothing is typed.
            key.text.clear();
        }
        Ok(Self { modifiers, key })
    }

    /// What a person does to type a character: with Shift where a US keyboard needs it.
    #[must_use]
    pub fn typing(character: char) -> Self {
        let key = match character {
            '\n' | '\r' => Key::named("Enter", false, false),
            '\t' => Key::named("Tab", false, false),
            _ => None,
        };
        let upper = character.is_ascii_uppercase();
        let shifted = |row: &&(char, char, &str, u32)| row.1 == character && row.0 != character;
        let shift = key.is_none() && (upper || PRINTED.iter().any(|row| shifted(&row)));
        Self {
            modifiers: if shift { vec![Modifier::Shift] } else { vec![] },
            key: key.unwrap_or_else(|| Key::character(character, shift)),
        }
    }
}

impl Key {
    /// `commands`: Control, Alt or Meta are held.
    fn named(name: &str, shift: bool, commands: bool) -> Option<Self> {
        let mut characters = name.chars();
        if let (Some(character), None) = (characters.next(), characters.next()) {
            // `Control+A` is how people write Ctrl-A; it has no Shift in it.
            let plain = commands && !shift;
            let character = if plain {
                character.to_ascii_lowercase()
            } else {
                character
            };
            return Some(Self::character(character, shift));
        }
        let same = |known: &str| known.eq_ignore_ascii_case(name);
        let alias = ALIASES.iter().find(|(alias, _)| same(alias));
        let name = alias.map_or(name, |(_, name)| name);
        let same = |known: &str| known.eq_ignore_ascii_case(name);
        if let Some((name, number)) = NAMED.iter().find(|(known, _)| same(known)) {
            let text = if *name == "Enter" { "\r" } else { "" };
            return Some(Self::new(name, name, *number, text));
        }
        if let Some((name, code, number)) = MODIFIERS.iter().find(|(known, ..)| same(known)) {
            return Some(Self::new(name, code, *number, ""));
        }
        if let Some((plain, ..)) = PRINTED.iter().find(|(_, _, code, _)| same(code)) {
            return Some(Self::character(*plain, shift));
        }
        let letter = name.strip_prefix("Key").and_then(|rest| {
            let mut rest = rest.chars();
            rest.next().filter(|_| rest.next().is_none())
        });
        if let Some(letter) = letter.filter(char::is_ascii_alphabetic) {
            return Some(Self::character(letter.to_ascii_lowercase(), shift));
        }
        let number = name.strip_prefix(['F', 'f']);
        let number = number.and_then(|number| number.parse::<u32>().ok());
        if let Some(number) = number.filter(|number| (1..=24).contains(number)) {
            let name = format!("F{number}");
            return Some(Self::new(&name, &name, 111 + number, ""));
        }
        let one = !name.is_ascii() && name.chars().all(|c| !c.is_ascii());
        let one = one && name.chars().count() <= CLUSTER_MAX;
        one.then(|| Self::new(name, "", 0, name))
    }

    fn character(character: char, shift: bool) -> Self {
        if character.is_ascii_alphabetic() {
            let upper = character.to_ascii_uppercase();
            let typed = if shift { upper } else { character }.to_string();
            return Self::new(&typed, &format!("Key{upper}"), u32::from(upper), &typed);
        }
        let mut rows = PRINTED.iter();
        let row = rows.find(|row| row.0 == character || row.1 == character);
        let Some((_, shifted, code, number)) = row else {
            let typed = character.to_string();
            return Self::new(&typed, "", 0, &typed);
        };
        let typed = if shift { *shifted } else { character }.to_string();
        Self::new(&typed, code, *number, &typed)
    }

    fn new(key: &str, code: &str, virtual_key: u32, text: &str) -> Self {
        Self {
            key: key.to_owned(),
            code: code.to_owned(),
            virtual_key,
            text: text.to_owned(),
        }
    }
}

impl Modifier {
    /// The modifier's own key; Control for `ControlOrMeta`, which its caller decides before.
    #[must_use]
    pub fn key(self) -> Key {
        let name = match self {
            Self::Shift => "Shift",
            Self::Control | Self::ControlOrMeta => "Control",
            Self::Alt => "Alt",
            Self::Meta => "Meta",
        };
        let mut rows = MODIFIERS.iter();
        let row = rows.find(|row| row.0 == name);
        let (name, code, number) = row.copied().unwrap_or(("", "", 0));
        Key::new(name, code, number, "")
    }
}

fn modifier(name: &str) -> Result<Modifier, Fault> {
    let same = |known: &str| known.eq_ignore_ascii_case(name);
    let alias = ALIASES.iter().find(|(alias, _)| same(alias));
    let name = alias.map_or(name, |(_, name)| name);
    match name.to_ascii_lowercase().as_str() {
        "shift" => Ok(Modifier::Shift),
        "control" => Ok(Modifier::Control),
        "alt" => Ok(Modifier::Alt),
        "meta" => Ok(Modifier::Meta),
        "controlormeta" => Ok(Modifier::ControlOrMeta),
        _ => Err(bad(format!(
            "`key`: `{name}` cannot be held; held can be Shift, Control, Alt, Meta, ControlOrMeta"
        ))),
    }
}

fn unknown(name: &str) -> Fault {
    bad(format!(
        "`key`: `{name}` is no key; it is one character or a name such as Enter, Tab, Escape, \
         Backspace, Delete, Home, End, PageUp, PageDown, ArrowLeft, ArrowDown"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chord(text: &str) -> Chord {
        Chord::parse(text).unwrap_or_else(|fault| panic!("{text}: {}", fault.message()))
    }

    /// Key, code, number and text.
    fn told(text: &str) -> (String, String, u32, String) {
        let key = chord(text).key;
        (key.key, key.code, key.virtual_key, key.text)
    }

    fn is(key: &str, code: &str, number: u32, text: &str) -> (String, String, u32, String) {
        (key.into(), code.into(), number, text.into())
    }

    #[test]
    fn no_key_is_offered_at_which_only_the_browser_acts() {
        // Chrome keeps the debugger's keys from its own shortcuts: pages hear them, nobody else.
        let said = unknown("Entr").message();
        assert!(said.contains("Enter") && !said.contains("F5"), "{said}");
    }

    #[test]
    fn a_named_key_types_nothing_but_enter_a_line_end() {
        assert_eq!(told("ArrowDown"), is("ArrowDown", "ArrowDown", 40, ""));
        assert_eq!(told("enter"), is("Enter", "Enter", 13, "\r"));
        assert_eq!(told("F12"), is("F12", "F12", 123, ""));
        assert_eq!(told("Shift"), is("Shift", "ShiftLeft", 16, ""));
    }

    #[test]
    fn a_character_is_the_key_of_a_us_keyboard_that_types_it() {
        assert_eq!(told("a"), is("a", "KeyA", 65, "a"));
        assert_eq!(told("A"), is("A", "KeyA", 65, "A"));
        assert_eq!(told("?"), is("?", "Slash", 191, "?"));
        assert_eq!(told(" "), is(" ", "Space", 32, " "));
        assert_eq!(told("Space"), is(" ", "Space", 32, " "));
        assert_eq!(told("KeyQ"), is("q", "KeyQ", 81, "q"));
    }

    #[test]
    fn a_character_of_another_script_types_itself() {
        for one in ["ä", "ж", "漢", "한", "🙂", "👩‍🚀"] {
            assert_eq!(told(one), is(one, "", 0, one));
        }
    }

    #[test]
    fn shift_gives_what_stands_above() {
        assert_eq!(told("Shift+a"), is("A", "KeyA", 65, "A"));
        assert_eq!(told("Shift+1"), is("!", "Digit1", 49, "!"));
        assert_eq!(told("Shift+Tab"), is("Tab", "Tab", 9, ""));
    }

    #[test]
    fn a_command_types_nothing_and_its_capital_letter_is_no_shift() {
        assert_eq!(told("Control+a"), is("a", "KeyA", 65, ""));
        assert_eq!(told("ctrl+A"), is("a", "KeyA", 65, ""));
        assert_eq!(told("Control+Shift+k"), is("K", "KeyK", 75, ""));
        let chord = chord("ControlOrMeta+Shift+Enter");
        assert_eq!(chord.modifiers, [Modifier::ControlOrMeta, Modifier::Shift]);
        assert_eq!(chord.key.text, "");
    }

    #[test]
    fn plus_is_a_key_too() {
        assert_eq!(told("+"), is("+", "Equal", 187, "+"));
        assert_eq!(told("Control++"), is("+", "Equal", 187, ""));
        assert_eq!(chord("Control++").modifiers, [Modifier::Control]);
    }

    #[test]
    fn what_is_no_key_is_named() {
        for (text, part) in [
            ("Entre", "Entre"),
            ("Control+Foo", "Foo"),
            ("Hyper+a", "Hyper"),
            ("Control+", ""),
            ("abc", "abc"),
            ("F25", "F25"),
            ("", "1 to 64"),
        ] {
            let fault = Chord::parse(text).expect_err(text);
            assert!(fault.message().contains(part), "{}", fault.message());
        }
        assert!(Chord::parse(&"ä".repeat(40)).is_err());
    }

    #[test]
    fn typing_holds_shift_where_a_person_would() {
        assert_eq!(Chord::typing('a').modifiers, []);
        assert_eq!(Chord::typing('A').modifiers, [Modifier::Shift]);
        assert_eq!(Chord::typing('?').modifiers, [Modifier::Shift]);
        assert_eq!(Chord::typing(' ').modifiers, []);
        assert_eq!(Chord::typing('Ä').modifiers, []);
        assert_eq!(Chord::typing('\n').key.key, "Enter");
        assert_eq!(Chord::typing('?').key.text, "?");
    }
}
