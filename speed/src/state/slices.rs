//! Many byte strings in one piece: the keys or the values of a step, of which there may be hundreds of thousands.

use std::ops::Index;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slices {
    bytes: Vec<u8>,
    /// By string.
    ends: Vec<usize>,
}

impl Slices {
    pub fn with_room(strings: usize, bytes: usize) -> Self {
        Slices { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(strings) }
    }

    /// Adds one that is put together of parts.
    pub fn push(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.ends.push(self.bytes.len());
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|i| &self[i])
    }
}

impl Index<usize> for Slices {
    type Output = [u8];

    fn index(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[start..self.ends[i]]
    }
}
