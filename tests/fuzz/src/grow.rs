//! The corpus: inputs in files, replayed, and grown from one another for as long as they reach
//! something that none before them reached.

use crate::Body;
use crate::coverage::reached;
use crate::mutate::{below, mutate};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Digits of a grown input's name.
const NAME_DIGITS: usize = 16;

/// Inputs by the names of their files.
pub type Inputs = BTreeMap<String, Vec<u8>>;

/// An input, and the counters that it moved, ascending.
type Tried = (Vec<u8>, Vec<usize>);

/// Where a body's inputs lie.
#[must_use]
pub fn folder(body: &Body) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("corpus").join(body.name)
}

/// Reads a body's inputs.
///
/// # Errors
/// Of the file system.
pub fn read(body: &Body) -> io::Result<Inputs> {
    let mut inputs = Inputs::new();
    for entry in fs::read_dir(folder(body))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        inputs.insert(name, fs::read(entry.path())?);
    }
    Ok(inputs)
}

/// Runs `body` on `bytes`.
///
/// # Errors
/// The input as text, when the body panics; what it said is on stderr.
pub fn try_one(body: &Body, bytes: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| (body.run)(bytes))).map_err(|_| {
        let text = bytes.escape_ascii();
        format!("{} does not hold for b\"{text}\"", body.name)
    })
}

/// Runs `body` on `count` changes of `inputs`, the same ones for the same `seed`.
///
/// # Errors
/// See [`try_one`].
pub fn try_changes(body: &Body, inputs: &Inputs, seed: u64, count: usize) -> Result<(), String> {
    let inputs: Vec<&Vec<u8>> = inputs.values().collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..count {
        let one = inputs[below(&mut random, inputs.len())];
        let other = inputs[below(&mut random, inputs.len())];
        try_one(body, &mutate(one, other, &mut random))?;
    }
    Ok(())
}

/// What growing came to.
#[derive(Debug)]
pub struct Grown {
    /// The fewest inputs, as far as that is easily found, that reach all that was reached.
    pub inputs: Inputs,
    /// How many were tried.
    pub tried: usize,
    /// How many counters moved.
    pub reached: usize,
}

/// Grows `inputs` for so long.
///
/// # Errors
/// The input that `body` does not hold for.
pub fn grow(body: &Body, inputs: Inputs, time: Duration, seed: u64) -> Result<Grown, Vec<u8>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut pool: Vec<Tried> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut tried = 0;
    let mut try_input = |bytes: Vec<u8>, pool: &mut Vec<Tried>| {
        tried += 1;
        let mut held = Ok(());
        let moved = reached(|| held = try_one(body, &bytes));
        if held.is_err() {
            return Err(bytes);
        }
        let before = seen.len();
        seen.extend(moved.iter().copied());
        if seen.len() > before {
            pool.push((bytes, moved));
        }
        Ok(())
    };
    // What the first run of all sets up is no input's merit.
    try_input(Vec::new(), &mut pool)?;
    for bytes in inputs.values() {
        try_input(bytes.clone(), &mut pool)?;
    }
    let end = Instant::now() + time;
    while Instant::now() < end {
        // Every other one is of the newest: what has just opened a way leads on.
        let newest = pool.len().saturating_sub(pool.len().div_ceil(8));
        let at = match below(&mut random, 2) {
            0 => newest + below(&mut random, pool.len() - newest),
            _ => below(&mut random, pool.len()),
        };
        let other = below(&mut random, pool.len());
        let bytes = mutate(&pool[at].0, &pool[other].0, &mut random);
        try_input(bytes, &mut pool)?;
    }
    let named = |(name, bytes): (String, Vec<u8>)| (!is_grown(&name)).then_some((name, bytes));
    let mut kept: Inputs = inputs.into_iter().filter_map(named).collect();
    let mut left = seen.clone();
    for bytes in kept.values() {
        for counter in reached(|| (body.run)(bytes)) {
            left.remove(&counter);
        }
    }
    for (bytes, needed) in cover(pool, left) {
        let bytes = shorten(body, bytes, &needed);
        kept.insert(name_of(&bytes), bytes);
    }
    Ok(Grown {
        inputs: kept,
        tried,
        reached: seen.len(),
    })
}

/// The input without the lines that are not needed to move the counters in `needed`.
fn shorten(body: &Body, bytes: Vec<u8>, needed: &[usize]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for at in (0..lines.len()).rev() {
        let line = lines.remove(at);
        let mut held = Ok(());
        let moved = reached(|| held = try_one(body, &lines.concat()));
        let does = held.is_ok()
            && needed
                .iter()
                .all(|counter| moved.binary_search(counter).is_ok());
        if !does {
            lines.insert(at, line);
        }
    }
    lines.concat()
}

/// Inputs that move all counters in `left`, each with those that it is kept for: again and again the one that moves most of what is
/// left for its length.
fn cover(mut pool: Vec<Tried>, mut left: BTreeSet<usize>) -> Vec<Tried> {
    let mut kept = Vec::new();
    loop {
        for (_, moved) in &mut pool {
            moved.retain(|counter| left.contains(counter));
        }
        pool.retain(|(_, moved)| !moved.is_empty());
        // 64 bytes are what a file costs beside its content.
        let worth = |(bytes, moved): &Tried| moved.len() * 4096 / (bytes.len() + 64);
        let Some(best) = (0..pool.len()).max_by_key(|at| worth(&pool[*at])) else {
            return kept;
        };
        let (bytes, moved) = pool.swap_remove(best);
        for counter in &moved {
            left.remove(counter);
        }
        kept.push((bytes, moved));
    }
}

/// Writes a body's inputs in the place of what lies there.
///
/// # Errors
/// Of the file system.
pub fn write(body: &Body, inputs: &Inputs) -> io::Result<()> {
    let folder = folder(body);
    for name in read(body)?.keys() {
        if !inputs.contains_key(name) {
            fs::remove_file(folder.join(name))?;
        }
    }
    for (name, bytes) in inputs {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

/// Writes down an input that a body does not hold for.
///
/// # Errors
/// Of the file system.
pub fn write_fault(body: &Body, bytes: &[u8]) -> io::Result<PathBuf> {
    let path = folder(body).join(format!("fault-{}", name_of(bytes)));
    fs::write(&path, bytes)?;
    Ok(path)
}

/// FNV-1a, in hex: equal inputs have one file.
fn name_of(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

fn is_grown(name: &str) -> bool {
    name.len() == NAME_DIGITS && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cover_reaches_all_with_few_and_short_inputs() {
        let pool = vec![
            (vec![1; 900], vec![1, 2, 3]),
            (vec![2], vec![1, 2]),
            (vec![3], vec![3]),
            (vec![4], vec![2]),
        ];
        let kept = cover(pool, BTreeSet::from([1, 2, 3]));
        assert_eq!(kept, [(vec![2], vec![1, 2]), (vec![3], vec![3])]);
    }

    #[test]
    fn a_named_input_is_told_from_a_grown_one() {
        assert!(is_grown(&name_of(b"x")));
        assert!(!is_grown("a-range-that-is-none") && !is_grown("fault-0000000000000000"));
    }
}
