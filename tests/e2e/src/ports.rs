//! Private blocks of a hundred ports, so that runs side by side never meet.
//!
//! A block is claimed by an OS lock on a file in the temp folder and lasts as long as the value:
//! the death of a run frees its block. What listens there is not its business.

use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::ops::RangeInclusive;

/// First port of the first block: above the range of the product itself (8765–8864).
const FIRST: u16 = 20_000;
/// The main range of eleven ports and its overflow of 89, as in a range A–B of the product.
const BLOCK: u16 = 100;
/// Ports of the main range, as many as 8765–8775.
const MAIN: u16 = 11;
/// Up to 32699: Linux hands out ephemeral ports from 32768 on.
const BLOCKS: u16 = 127;

/// A hundred ports that no other run of this harness uses while the value lives.
pub struct PortBlock {
    first: u16,
    _lock: File,
}

impl PortBlock {
    /// Claims the lowest free block.
    pub fn claim() -> Result<Self> {
        let folder = std::env::temp_dir().join("interlock-e2e-ports");
        std::fs::create_dir_all(&folder).context("making the folder of port locks")?;
        for number in 0..BLOCKS {
            let first = FIRST + number * BLOCK;
            let lock = OpenOptions::new()
                .create(true)
                .append(true)
                .open(folder.join(first.to_string()))
                .context("opening a port lock")?;
            match lock.try_lock() {
                // A block where a stranger listens is no private block.
                Ok(()) if crate::listening_ports(first..=first + BLOCK - 1)?.is_empty() => {
                    return Ok(Self { first, _lock: lock });
                }
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(why)) => return Err(why).context("locking a port block"),
            }
        }
        bail!("all {BLOCKS} port blocks are taken");
    }

    /// The first port of the main range.
    #[must_use]
    pub fn first(&self) -> u16 {
        self.first
    }

    /// The last port of the main range.
    #[must_use]
    pub fn last(&self) -> u16 {
        self.first + MAIN - 1
    }

    /// The main range as the command line wants it: `A-B`.
    #[must_use]
    pub fn range(&self) -> String {
        format!("{}-{}", self.first(), self.last())
    }

    /// The whole block, the overflow after the main range included.
    #[must_use]
    pub fn all(&self) -> RangeInclusive<u16> {
        self.first..=self.first + BLOCK - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_claims_never_share_a_port() {
        let (one, two) = (PortBlock::claim().unwrap(), PortBlock::claim().unwrap());
        assert!(one.all().all(|port| !two.all().contains(&port)));
    }

    #[test]
    fn the_overflow_of_a_block_ends_where_the_next_begins() {
        let block = PortBlock::claim().unwrap();
        assert_eq!(block.last() + 89, *block.all().end());
    }
}
