//! A job's state and what a crash leaves of it: processes killed at any moment, programs that end at a checkpoint and go on with other workers,
//! and disks that lose power while a checkpoint is taken.
//!
//! What must hold: each answer that was published, before the crash or after it, is the reference's at its position; no reader is set back; a
//! checkpoint that was acknowledged is there; and a process that was taken for dead commits nothing.

mod kills;
mod oracle;
mod power;
mod programs;

pub use kills::child;

use super::Item;
use super::tally::Tally;

/// Of twelve items one kills processes and one loses power.
const ROUND: u64 = 12;

/// 200 kills and 2,000 programs in the short form; 5,000 and 50,000 in the long one.
pub(super) fn items(long: bool) -> u64 {
    if long { 250 * ROUND } else { 10 * ROUND }
}

pub(super) fn run(item: &Item<'_>, tally: &Tally) {
    match item.number % ROUND {
        0 => kills::run(item, tally),
        1 => power::run(item, tally),
        _ => programs::run(item, tally),
    }
}
