//! Makes an input into another one that is like it. Everything that is read here is text (JSON,
//! HTTP heads, lines of a script), so most changes are to tokens and lines: changed bytes alone
//! would hardly ever get past the first reader.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// Inputs are cut to this: what needs more to break is a matter of the bounds, which have tests.
pub const INPUT_MAX: usize = 4 * 1024;
/// Changes to one input at a time.
const CHANGES_MAX: usize = 6;

/// What readers stumble over.
const ODD: &[&[u8]] = &[
    b"null",
    b"true",
    b"0",
    b"-1",
    b"-0.0",
    b"1.5",
    b"255",
    b"256",
    b"65536",
    b"4294967296",
    b"9007199254740993",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1e308",
    b"1e999",
    b"0.1234567890123456789",
    b"\"\"",
    b"\"\\u0000\"",
    b"\"\\ud800\"",
    b"{}",
    b"[]",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"\xff\xfe",
    b"\0",
    b"\r\n",
    b"\n",
    "\u{202e}é😀".as_bytes(),
];

/// A change of `input`, with parts of `other`; the same numbers give the same one.
pub fn mutate(input: &[u8], other: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=below(random, CHANGES_MAX) {
        bytes = change(&bytes, other, random);
    }
    bytes.truncate(INPUT_MAX);
    bytes
}

/// A number below `end`, which is at least 1.
pub fn below(random: &mut ChaCha8Rng, end: usize) -> usize {
    let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
    usize::try_from(random.next_u64() % end).unwrap_or_default()
}

fn change(bytes: &[u8], other: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    match below(random, 12) {
        0 => {
            let mut bytes = bytes.to_vec();
            let at = below(random, bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << below(random, 8);
            }
            bytes
        }
        1 => bytes[..below(random, bytes.len() + 1)].to_vec(),
        2..=4 => replace(&tokens(bytes), &tokens(other), random),
        5 => replace(&tokens(bytes), ODD, random),
        6 => replace(&tokens(bytes), &tokens(bytes), random),
        7 => splice(&tokens(bytes), &tokens(other), random),
        8 => splice(&tokens(bytes), &[], random),
        9 => splice(&lines(bytes), &lines(other), random),
        10 => splice(&lines(bytes), &lines(bytes), random),
        _ => splice(&lines(bytes), &[], random),
    }
}

/// One part becomes one of the others'.
fn replace(parts: &[&[u8]], others: &[&[u8]], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut parts = parts.to_vec();
    let at = below(random, parts.len());
    if let (Some(part), Some(other)) = (parts.get_mut(at), others.get(below(random, others.len())))
    {
        *part = other;
    }
    parts.concat()
}

/// A run of a few parts is replaced by a run of the others': either may be empty.
fn splice(parts: &[&[u8]], others: &[&[u8]], random: &mut ChaCha8Rng) -> Vec<u8> {
    let run = |parts: &[&[u8]], random: &mut ChaCha8Rng| {
        let from = below(random, parts.len() + 1);
        let longest = (parts.len() - from).min(8);
        (from, from + below(random, longest + 1))
    };
    let (from, to) = run(parts, random);
    let (other_from, other_to) = run(others, random);
    [&parts[..from], &others[other_from..other_to], &parts[to..]]
        .concat()
        .concat()
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Quoted strings, words, and single characters of everything else.
fn tokens(mut bytes: &[u8]) -> Vec<&[u8]> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(byte);
    let mut tokens = Vec::new();
    while let Some(first) = bytes.first() {
        let length = if *first == b'"' {
            let close = bytes.iter().skip(1).position(|byte| *byte == b'"');
            close.map_or(1, |close| close + 2)
        } else {
            let word = bytes.iter().take_while(|byte| is_word(byte)).count();
            word.max(1)
        };
        let (token, rest) = bytes.split_at(length);
        tokens.push(token);
        bytes = rest;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn tokens_are_strings_words_and_signs_and_nothing_is_lost() {
        let text = b"{\"a b\": -1.5, x}\r\n\"open";
        let parts = tokens(text);
        assert!(parts.contains(&&b"\"a b\""[..]) && parts.contains(&&b"-1.5"[..]));
        assert_eq!(parts.concat(), text);
        assert_eq!(lines(text).concat(), text);
    }

    #[test]
    fn the_same_numbers_give_the_same_input_and_most_are_changed() {
        let (input, other) = (&b"{\"type\":\"ping\"}"[..], &b"{\"n\":7}\n[1]"[..]);
        let all = |seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            (0..100)
                .map(|_| mutate(input, other, &mut random))
                .collect::<Vec<_>>()
        };
        assert_eq!(all(1), all(1));
        assert!(all(1).iter().filter(|made| *made != input).count() > 80);
        assert!(mutate(&[], &[], &mut ChaCha8Rng::seed_from_u64(1)).len() <= INPUT_MAX);
    }
}
