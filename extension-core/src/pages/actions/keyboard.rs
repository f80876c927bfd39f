//! Keys as `Input.dispatchKeyEvent` wants them: a chord goes down and up again in one breath, so
//! that no end of a call leaves a key held.

use crate::pages::poller::Page;
use protocol::Fault;
use protocol::command::{Chord, Key, Modifier};
use serde_json::{Value, json};

/// `KeyboardEvent.location` of the left one of two keys.
const LEFT: u8 = 1;

/// What macOS itself does at these keys; from a debugger Chrome must be told.
const MAC_COMMANDS: [(&str, &str); 6] = [
    ("a", "selectAll"),
    ("c", "copy"),
    ("v", "paste"),
    ("x", "cut"),
    ("z", "undo"),
    ("Z", "redo"),
];

/// Presses a chord in whatever has the focus.
///
/// # Errors
/// `internal` when Chrome refuses a key.
pub(super) async fn press(page: &Page, chord: &Chord, mac: bool) -> Result<(), Fault> {
    let send = |event: Value| page.command("Input.dispatchKeyEvent", event);
    let mut sent = Vec::new();
    let mut held = 0;
    for modifier in &chord.modifiers {
        let modifier = own(*modifier, mac);
        held |= bit(modifier);
        sent.push(send(event("rawKeyDown", &modifier.key(), held)));
    }
    let key = &chord.key;
    let types = !key.text.is_empty();
    let kind = if types { "keyDown" } else { "rawKeyDown" };
    let mut down = event(kind, key, held | bit_of(key));
    if types {
        down["text"] = json!(key.text);
        down["unmodifiedText"] = json!(key.text);
    }
    let command = MAC_COMMANDS.iter().find(|(name, _)| *name == key.key);
    if let Some((_, command)) = command.filter(|_| mac && held & bit(Modifier::Meta) != 0) {
        down["commands"] = json!([command]);
    }
    sent.push(send(down));
    sent.extend(keys_up(chord, mac).into_iter().map(send));
    for one in sent {
        one.await?;
    }
    Ok(())
}

fn event(kind: &str, key: &Key, modifiers: u8) -> Value {
    json!({
        "type": kind, "key": key.key, "code": key.code, "modifiers": modifiers,
        "windowsVirtualKeyCode": key.virtual_key, "nativeVirtualKeyCode": key.virtual_key,
        "location": if bit_of(key) == 0 { 0 } else { LEFT },
    })
}

/// The bits of modifiers that are held.
pub(super) fn bits(held: &[Modifier], mac: bool) -> u8 {
    held.iter()
        .fold(0, |bits, modifier| bits | bit(own(*modifier, mac)))
}

/// Which modifier it is on this machine.
fn own(modifier: Modifier, mac: bool) -> Modifier {
    match (modifier, mac) {
        (Modifier::ControlOrMeta, true) => Modifier::Meta,
        (Modifier::ControlOrMeta, false) => Modifier::Control,
        (Modifier::Alt | Modifier::Control | Modifier::Meta | Modifier::Shift, _) => modifier,
    }
}

fn bit(modifier: Modifier) -> u8 {
    match modifier {
        Modifier::Alt => 1,
        Modifier::Control | Modifier::ControlOrMeta => 2,
        Modifier::Meta => 4,
        Modifier::Shift => 8,
    }
}

/// How a chord goes up: what went down last comes first.
pub(in crate::pages) fn keys_up(chord: &Chord, mac: bool) -> Vec<Value> {
    let mut held = bits(&chord.modifiers, mac);
    let mut ups = vec![event("keyUp", &chord.key, held)];
    for modifier in chord.modifiers.iter().rev() {
        let modifier = own(*modifier, mac);
        held &= !bit(modifier);
        ups.push(event("keyUp", &modifier.key(), held));
    }
    ups
}

/// A modifier that is pressed for its own sake is held while it is down.
fn bit_of(key: &Key) -> u8 {
    let own = [
        Modifier::Alt,
        Modifier::Control,
        Modifier::Meta,
        Modifier::Shift,
    ];
    let found = own.into_iter().find(|modifier| modifier.key() == *key);
    found.map_or(0, bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_or_meta_is_command_on_a_mac_only() {
        let both = [Modifier::ControlOrMeta, Modifier::Shift];
        assert_eq!(bits(&both, true), 12);
        assert_eq!(bits(&both, false), 10);
    }
}
