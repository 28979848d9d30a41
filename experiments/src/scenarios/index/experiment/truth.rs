//! What the documents are at a position of the log, by the most obvious method: it shares nothing with any index.

use std::collections::{BTreeMap, BTreeSet};

use super::documents::Change;

/// A document that was found: its id, and the offset of the change that made it what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) id: u64,
    pub(super) version: u64,
}

/// The documents by id, each with the offset of its last change.
#[derive(Debug, Default)]
pub(super) struct Truth(BTreeMap<u64, (u64, String)>);

impl Truth {
    pub(super) fn apply(&mut self, offset: u64, change: &Change) {
        match &change.body {
            Some(body) => self.0.insert(change.id, (offset, body.clone())),
            None => self.0.remove(&change.id),
        };
    }

    /// The documents in which a word stands, by id.
    pub(super) fn search(&self, term: &str) -> Vec<Found> {
        let has = |body: &str| body.split(' ').any(|word| word == term);
        self.0.iter().filter(|(_, (_, body))| has(body)).map(|(&id, &(version, _))| Found { id, version }).collect()
    }

    /// All of them.
    pub(super) fn documents(&self) -> Vec<Found> {
        self.0.iter().map(|(&id, &(version, _))| Found { id, version }).collect()
    }

    /// Whether a document still is what was found.
    pub(super) fn is(&self, found: Found) -> bool {
        self.0.get(&found.id).is_some_and(|(version, _)| *version == found.version)
    }

    /// Documents that somebody holds otherwise: outdated, no longer there, twice, or not held.
    pub(super) fn wrong(&self, held: &[Found]) -> u64 {
        let (truth, held) = (BTreeSet::from_iter(self.documents()), BTreeSet::from_iter(held.iter().copied()));
        truth.symmetric_difference(&held).map(|found| found.id).collect::<BTreeSet<u64>>().len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: u64, body: &str) -> Change {
        Change { id, body: (!body.is_empty()).then(|| body.into()) }
    }

    #[test]
    fn by_hand() {
        let mut truth = Truth::default();
        for (offset, change) in [change(1, "a b"), change(2, "b bb"), change(1, "b"), change(3, "a"), change(3, "")].iter().enumerate() {
            truth.apply(offset as u64, change);
        }
        let found = |id, version| Found { id, version };
        assert_eq!(truth.search("b"), [found(1, 2), found(2, 1)]);
        assert_eq!((truth.search("a"), truth.search("bb")), (vec![], vec![found(2, 1)]));
        assert_eq!(truth.documents(), [found(1, 2), found(2, 1)]);
        assert_eq!(truth.wrong(&truth.documents()), 0);
        // An outdated one, one that was deleted, and one that is missing.
        assert_eq!(truth.wrong(&[found(1, 0), found(3, 3)]), 3);
    }
}
