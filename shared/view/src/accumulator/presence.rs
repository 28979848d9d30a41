//! Which groups have seen a value that is not NULL.

use arrow_buffer::NullBuffer;

use super::pick;

/// One flag per group, kept only once some group may have none.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    seen: Option<Vec<bool>>,
    groups: usize,
}

impl Presence {
    /// Adds groups up to `groups` in all, each without a value unless `complete` promises one.
    pub fn grow(&mut self, groups: usize, complete: bool) {
        if !complete && self.seen.is_none() {
            self.seen = Some(vec![true; self.groups]);
        }
        if let Some(seen) = &mut self.seen {
            seen.resize(groups, false);
        }
        self.groups = groups;
    }

    /// All of these groups have a value now.
    pub fn mark_all(&mut self, groups: &[u32]) {
        if let Some(seen) = &mut self.seen {
            for &group in groups {
                seen[group as usize] = true;
            }
        }
    }

    pub fn mark(&mut self, group: u32) {
        if let Some(seen) = &mut self.seen {
            seen[group as usize] = true;
        }
    }

    pub fn merge(&mut self, other: &Presence, from: &[u32], to: &[u32]) {
        match (&mut self.seen, &other.seen) {
            (None, _) => {}
            (Some(_), None) => self.mark_all(to),
            (Some(mine), Some(theirs)) => {
                for (&from, &to) in from.iter().zip(to) {
                    mine[to as usize] |= theirs[from as usize];
                }
            }
        }
    }

    pub fn complete(&self) -> bool {
        self.seen.is_none()
    }

    /// NULL where a group has no value.
    pub fn nulls(&self, groups: &[u32]) -> Option<NullBuffer> {
        self.seen.as_ref().map(|seen| NullBuffer::from(pick(seen, groups)))
    }

    /// From a column at rest.
    pub fn load(nulls: Option<&NullBuffer>, groups: usize) -> Self {
        Presence { seen: nulls.map(|n| n.iter().collect()), groups }
    }

    pub fn bytes(&self) -> usize {
        self.seen.as_ref().map_or(0, Vec::capacity)
    }
}
