//! Groups and their counted elements: what stands in differential's collections.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::datum::Datum;

/// A group of one generation of the log. Generations come first in the order, so that those below a number are a prefix of a trace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    pub generation: u64,
    pub key: Arc<[Datum]>,
}

/// What a reduction is over: one aggregate of a group.
///
/// Only the group is hashed, and hashes choose the worker: so all that belongs to a group comes to one worker, whatever the operator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot {
    pub group: Group,
    /// The aggregate's place in the query.
    pub aggregate: u16,
}

impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.group.hash(state);
    }
}

/// A value of an aggregate's argument, or all values that it looks at in a row, counted by its difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Element<V = Datum> {
    pub slot: Slot,
    pub value: V,
}

/// Of several values of a row.
pub type Tuple = Element<Arc<[Datum]>>;

impl<V> Hash for Element<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.slot.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use differential_dataflow::hashable::Hashable;

    #[test]
    fn all_of_a_group_comes_to_one_worker() {
        let group = Group { generation: 3, key: Arc::from([Datum::Int(7), Datum::Null]) };
        let slot = |aggregate| Slot { group: group.clone(), aggregate };
        let element = |aggregate, value| Element { slot: slot(aggregate), value };
        let tuple: Tuple = Element { slot: slot(4), value: Arc::from([Datum::Int(1), Datum::Null]) };
        assert_eq!(tuple.hashed(), group.hashed());
        for hash in [slot(0).hashed(), slot(5).hashed(), element(1, Datum::Int(1)).hashed(), element(2, Datum::Null).hashed()] {
            assert_eq!(hash, group.hashed());
        }
    }
}
