//! Groups that were seen lately.

/// A guess at a key's group, to be checked against the group's key.
///
/// The groups that a log's records fall into at one time are few, and lie anywhere in the [`super::index::Index`]; here they lie close
/// together, so that they stay in the nearest caches. A key has one place, and the last group that was found there is the guess.
#[derive(Debug, Default)]
pub struct Recent {
    /// Group numbers; the length is a power of two.
    groups: Vec<u32>,
    /// The high bits of a hash that make a place.
    shift: u32,
}

/// A copy starts without guesses: most copies are only read.
impl Clone for Recent {
    fn clone(&self) -> Self {
        Recent::default()
    }
}

const FEWEST: usize = 256;
/// 256 KiB of guesses.
const MOST: usize = 1 << 16;

impl Recent {
    /// Makes room for the guesses of a table of `groups` groups.
    pub fn fit(&mut self, groups: usize) {
        let wanted = (groups * 4).next_power_of_two().clamp(FEWEST, MOST);
        if wanted > self.groups.len() {
            self.groups = vec![0; wanted];
            self.shift = u64::BITS - wanted.trailing_zeros();
        }
    }

    /// The guess for a key.
    #[inline(always)]
    pub fn guess<const N: usize>(&self, key: &[i64; N]) -> u32 {
        self.groups[self.place(key)]
    }

    /// Guesses this group from now on.
    #[inline(always)]
    pub fn remember<const N: usize>(&mut self, key: &[i64; N], group: u32) {
        let place = self.place(key);
        self.groups[place] = group;
    }

    #[inline(always)]
    fn place<const N: usize>(&self, key: &[i64; N]) -> usize {
        // Multiplying carries low bits upwards only, and the high ones are taken.
        let mut hash = 0u64;
        for &value in key {
            hash = hash.wrapping_add(value as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        (hash >> self.shift) as usize
    }

    pub fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<u32>()
    }
}
