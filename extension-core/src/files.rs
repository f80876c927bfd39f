//! The two files beside the manifest that people and `interlock extension` write: what they say,
//! and what is wrong with them in words for people. No words of ours repeat what could be a secret: one
//! in the wrong place, or in the wrong file, is still one.

use protocol::json;
use protocol::pairing::{PairingFile, Secret};
use protocol::ports::{PortRange, UNPAIRED_MAX};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of `pairing.json` that we read.
const PAIRING_VERSION: u32 = 1;
/// Longest name of an unknown key that is told: no part of a secret is, which has 64 digits.
const KEY_TOLD_MAX: usize = 20;
/// What `config.json` may say.
const CONFIG_ALLOWED: &str = "it is written as {\"ports\":{\"first\":8765,\"last\":8775}}, with two ports from 1024 to 65535, \
    and with \"allowUnpaired\":[8770] beside it where an unpaired server is let in";
/// The names in it.
const CONFIG_KEYS: [&str; 2] = ["ports", "allowUnpaired"];

/// Reads `pairing.json`; `text` is none when there is no such file.
///
/// # Errors
/// What is wrong with it, for people: `interlock extension DIR --pair-only` mends all of it.
pub fn read_secret(text: Option<&str>) -> Result<Secret, String> {
    let Some(text) = text else {
        return Err("pairing.json is missing".into());
    };
    if text.trim().is_empty() {
        return Err("pairing.json is empty".into());
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("pairing.json is damaged at line {}", error.line()))?;
    match value.get("version").and_then(Value::as_u64) {
        Some(version) if version != u64::from(PAIRING_VERSION) => {
            return Err(format!(
                "pairing.json is of version {version}, and this extension reads version {PAIRING_VERSION}"
            ));
        }
        Some(_) | None => {}
    }
    let file: PairingFile = json::read(&value)
        .map_err(|_| String::from("pairing.json lacks its version or its secret"))?;
    Secret::from_hex(&file.secret)
        .ok_or_else(|| "the secret in pairing.json is not 64 hex digits".into())
}

/// `config.json`. What the file does not say has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Where servers sit.
    pub ports: PortRange,
    /// Those of them where a server that proves nothing is let in; at most [`UNPAIRED_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_unpaired: Vec<u16>,
    /// What is wrong with the file, in words for people.
    #[serde(skip)]
    pub wrong: Option<String>,
}

impl Config {
    /// Reads `config.json`; `text` is none when there is no such file, which is not wrong. Where
    /// what it says cannot hold, the defaults do.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        let Some(text) = text else {
            return Self::default();
        };
        let but = |why: String| Self {
            ports: PortRange::default(),
            allow_unpaired: Vec::new(),
            wrong: Some(format!("config.json {why}, so the default ports hold")),
        };
        // Where it is, and not what stands there.
        let unread = |place: String| but(format!("cannot be read at {place} ({CONFIG_ALLOWED})"));
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => {
                return unread(format!("line {}, column {}", error.line(), error.column()));
            }
        };
        let Value::Object(fields) = &value else {
            return but("is no JSON object".into());
        };
        let unknown = fields
            .keys()
            .find(|key| !CONFIG_KEYS.contains(&key.as_str()));
        let unknown = unknown.map(|key| {
            let told = if key.chars().count() <= KEY_TOLD_MAX {
                format!("`{key}`")
            } else {
                "a name".into()
            };
            let known = CONFIG_KEYS.join("` and `");
            format!(
                "config.json has {told}, which this extension does not know; it knows `{known}`"
            )
        });
        let config: Self = match json::read(&value) {
            Ok(config) => config,
            Err(error) => return unread(format!("`{}`", error.place())),
        };
        let PortRange { first, last } = config.ports;
        match PortRange::new(first, last) {
            Some(ports) => {
                let (allow_unpaired, wrong) = match outside(ports, &config.allow_unpaired) {
                    None => (config.allow_unpaired, unknown),
                    Some(why) => (Vec::new(), Some(why)),
                };
                Self {
                    ports,
                    allow_unpaired,
                    wrong,
                }
            }
            None => but(format!(
                "names {first} to {last}, which is no range of ports from 1024 on"
            )),
        }
    }
}

/// What is wrong with these ports of unpaired servers: then none is let in.
fn outside(ports: PortRange, named: &[u16]) -> Option<String> {
    if named.len() > UNPAIRED_MAX {
        return Some(format!(
            "config.json names more than {UNPAIRED_MAX} ports in `allowUnpaired`, so none holds"
        ));
    }
    let stray = named.iter().find(|port| !ports.contains(**port))?;
    Some(format!(
        "config.json names {stray} in `allowUnpaired`, where no server is looked for (only from {} \
         to {}), so none of its ports holds",
        ports.first,
        ports.overflow_last()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_pairing_file_that_is_wrong_is_told_without_a_word_of_it() {
        let good = format!(r#"{{"version":1,"secret":"{DIGITS}","later":true}}"#);
        assert_eq!(read_secret(Some(&good)).unwrap().to_hex(), DIGITS);
        let long = DIGITS.repeat(20_000);
        for (text, told) in [
            (None, "missing"),
            (Some(String::new()), "empty"),
            (Some(" \n".into()), "empty"),
            (Some(DIGITS.into()), "damaged at line 1"),
            (Some(format!("{{\n\"{DIGITS}")), "damaged at line 2"),
            (Some(format!("\u{feff}{good}")), "damaged at line 1"),
            (Some(format!("\"{DIGITS}\"")), "lacks"),
            (Some(format!("[\"{DIGITS}\"]")), "lacks"),
            (Some(format!(r#"{{"secret":"{DIGITS}"}}"#)), "lacks"),
            (
                Some(format!(r#"{{"version":1,"secret":["{DIGITS}"]}}"#)),
                "lacks",
            ),
            (Some(r#"{"version":1}"#.into()), "lacks"),
            (
                Some(format!(r#"{{"version":7,"secrets":{{"new":"{DIGITS}"}}}}"#)),
                "of version 7",
            ),
            (
                Some(format!(r#"{{"version":1,"secret":"{}"}}"#, &DIGITS[..63])),
                "64 hex digits",
            ),
            (
                Some(format!(r#"{{"version":1,"secret":"{DIGITS}0"}}"#)),
                "64 hex digits",
            ),
            (
                Some(format!(r#"{{"version":1,"secret":"{long}"}}"#)),
                "64 hex digits",
            ),
        ] {
            let why = read_secret(text.as_deref()).unwrap_err();
            assert!(why.contains(told) && why.contains("pairing.json"), "{why}");
            assert!(!why.contains("0001"), "{why}");
        }
    }

    #[test]
    fn a_config_that_is_wrong_is_told_and_none_of_it_holds() {
        let read = |text| Config::read(Some(text));
        let written = read(r#"{"ports":{"first":17000,"last":17010}}"#);
        assert_eq!(written.ports, PortRange::new(17_000, 17_010).unwrap());
        assert_eq!(written.wrong, None);
        for none in [None, Some("{}")] {
            assert_eq!(Config::read(none), Config::default());
        }
        for (text, told) in [
            ("", "cannot be read at line 1, column 0"),
            ("[1]", "no JSON object"),
            ("\u{feff}{}", "cannot be read at line 1"),
            (r#"{"ports":8765}"#, "from 1024 to 65535"),
            (r#"{"ports":null}"#, "from 1024 to 65535"),
            (
                "{\"ports\":\n{\"first\":\"17000\",\"last\":1}}",
                "at `ports.first`",
            ),
            (r#"{"ports":{"first":17000}}"#, r#""last":8775"#),
            (
                r#"{"ports":{"first":17000,"last":70000}}"#,
                "at `ports.last`",
            ),
            (
                r#"{"ports":{"first":-17000,"last":17000}}"#,
                "at `ports.first`",
            ),
            (
                r#"{"ports":{"first":17010,"last":17000}}"#,
                "17010 to 17000",
            ),
            (r#"{"ports":{"first":0,"last":65535}}"#, "0 to 65535"),
        ] {
            let config = read(text);
            assert_eq!(config.ports, PortRange::default(), "{text}");
            let why = config.wrong.unwrap();
            assert!(
                why.starts_with("config.json") && why.contains(told),
                "{why}"
            );
        }
    }

    #[test]
    fn a_secret_that_was_put_into_the_config_is_not_told() {
        for text in [
            format!(r#"{{"ports":"{DIGITS}"}}"#),
            format!(r#"{{"ports":{{"first":"{DIGITS}","last":8775}}}}"#),
            format!(r#"{{"ports":{{"first":8765,"last":8775,"{DIGITS}":1}}}}"#),
            format!(r#"{{"{DIGITS}":1}}"#),
            format!(r#"{{"version":1,"secret":"{DIGITS}"}}"#),
            format!("\"{DIGITS}\""),
            DIGITS.into(),
        ] {
            let told = Config::read(Some(&text)).wrong.unwrap_or_default();
            assert!(!told.contains("0001"), "{told}");
        }
    }

    #[test]
    fn a_key_that_nobody_reads_is_told_and_the_others_hold() {
        let config = Config::read(Some(
            r#"{"ports":{"first":17000,"last":17010},"prots":{"first":1}}"#,
        ));
        assert_eq!(config.ports, PortRange::new(17_000, 17_010).unwrap());
        assert!(config.wrong.unwrap().contains("`prots`"));
    }

    #[test]
    fn unpaired_servers_are_let_in_on_ports_that_are_looked_at_or_nowhere() {
        let read = |ports: &str| {
            Config::read(Some(&format!(
                r#"{{"ports":{{"first":17000,"last":17010}},"allowUnpaired":{ports}}}"#
            )))
        };
        for good in ["[]", "[17000]", "[17010,17099]"] {
            let config = read(good);
            assert_eq!(serde_json::to_string(&config.allow_unpaired).unwrap(), good);
            assert_eq!((config.ports.first, config.wrong), (17_000, None));
        }
        let many = serde_json::to_string(&vec![17_000; UNPAIRED_MAX + 1]).unwrap();
        for (bad, told) in [
            ("[17000,8765]", "8765"),
            ("[17100]", "from 17000 to 17099"),
            (many.as_str(), "more than 16"),
        ] {
            let config = read(bad);
            assert!(config.allow_unpaired.is_empty() && config.ports.first == 17_000);
            let why = config.wrong.unwrap();
            assert!(why.contains(told) && why.contains("allowUnpaired"), "{why}");
        }
        for bad in [r#"["17000"]"#, "17000", "null", "[-1]"] {
            let config = read(bad);
            assert!(
                config.allow_unpaired.is_empty() && config.wrong.is_some(),
                "{bad}"
            );
        }
    }

    #[test]
    fn every_port_there_is_may_be_asked_for() {
        let config = Config::read(Some(r#"{"ports":{"first":1024,"last":65535}}"#));
        assert_eq!((config.ports.first, config.ports.last), (1024, 65_535));
        assert_eq!(config.wrong, None);
    }
}
