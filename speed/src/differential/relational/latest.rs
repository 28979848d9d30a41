//! A changelog as the table that it leaves: of each key the newest row, unless that is a tombstone.

use std::sync::Arc;

use twopath_query::plan::Upserts;

use super::Operator;
use super::collection::{Collection, Errors, Tuple, reduced};
use super::key::Key;
use crate::differential::datum::Datum;

/// The newest row of each key, tombstones too: of it alone can be said what a row that comes takes the place of.
pub struct Newest {
    upserts: Arc<Upserts>,
}

impl Newest {
    pub fn new(upserts: &Upserts) -> Self {
        Newest { upserts: Arc::new(upserts.clone()) }
    }
}

impl Operator for Newest {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        let upserts = Arc::clone(&self.upserts);
        let keyed = inputs.remove(0).map(move |row: Tuple| (upserts.key.iter().map(|&c| row[c].clone()).collect::<Key>(), row));
        let upserts = Arc::clone(&self.upserts);
        let newest = reduced(keyed.arrange_by_key(), "Newest", move |_, rows: &[(&Tuple, isize)], output: &mut Vec<(Tuple, isize)>| {
            let newest = rows.iter().max_by_key(|(row, _)| place(&upserts, row)).map(|(row, _)| (*row).clone());
            output.extend(newest.map(|row| (row, 1)));
        });
        newest.as_collection(|_, row| row.clone())
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
