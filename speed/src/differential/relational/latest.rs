//! A changelog as the table that it leaves: of each key the newest row, unless that is a tombstone.

use std::sync::Arc;

use differential_dataflow::collection::AsCollection;
use differential_dataflow::difference::{IsZero, Semigroup};
use differential_dataflow::operators::CountTotal;
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::vec::Map;
use twopath_query::plan::Upserts;

use super::Operator;
use super::collection::{Collection, Errors, Tuple};
use super::key::Key;
use crate::differential::datum::Datum;

/// The newest row of each key, tombstones too: of it alone can be said what a row that comes takes the place of. Its input is a source's rows, which only grow, so that of each key no more is
/// kept than that row: it is the key's difference, of which the newest stays. (Where rows were kept at rest, one may be given that was taken back: another of its key is newer.)
pub struct Newest {
    upserts: Arc<Upserts>,
}

/// A row behind what it goes by, of which the greatest stays. It cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct NewestRow {
    order: Tuple,
    row: Tuple,
}

impl Newest {
    pub fn new(upserts: &Upserts) -> Self {
        Newest { upserts: Arc::new(upserts.clone()) }
    }
}

impl Operator for Newest {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        let upserts = Arc::clone(&self.upserts);
        let keyed = inputs.remove(0).inner.map(move |(row, epoch, _): (Tuple, u64, isize)| {
            let key: Key = upserts.key.iter().map(|&c| row[c].clone()).collect();
            (key, epoch, NewestRow { order: upserts.order.iter().map(|&c| row[c].clone()).collect(), row })
        });
        keyed.as_collection().count_total().map(|(_, newest)| newest.row)
    }
}

impl IsZero for NewestRow {
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for NewestRow {
    fn plus_equals(&mut self, other: &Self) {
        if *other > *self {
            *self = other.clone();
        }
    }
}

/// Those that are there.
pub struct Present {
    upserts: Arc<Upserts>,
}

impl Present {
    pub fn new(upserts: &Upserts) -> Self {
        Present { upserts: Arc::new(upserts.clone()) }
    }
}

impl Operator for Present {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        let upserts = Arc::clone(&self.upserts);
        inputs.remove(0).filter(move |row| !is_tombstone(&upserts, row))
    }
}

/// Where a row stands in the order in which rows replace one another.
pub fn place<'r>(upserts: &Upserts, row: &'r Tuple) -> (Vec<&'r Datum>, &'r Tuple) {
    (upserts.order.iter().map(|&c| &row[c]).collect(), row)
}

pub fn is_tombstone(upserts: &Upserts, row: &Tuple) -> bool {
    !upserts.payload.is_empty() && upserts.payload.iter().all(|&c| row[c].is_null())
}
