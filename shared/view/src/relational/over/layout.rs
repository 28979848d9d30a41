//! Rows partition by partition, in order.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};

use crate::order::{SortColumn, compare, sorted};
use crate::relational::keys::numbered;
use crate::relational::rows::Rows;
use twopath_query::{DataType, EvalError, Expr, Order};

/// Where rows stand when they are sorted by partition, then in the partition's order.
pub struct Layout {
    /// The rows by place.
    pub order: Vec<u32>,
    /// The places of each partition.
    pub partitions: Vec<Range<u32>>,
    /// The places of rows that tie.
    pub peers: Vec<Range<u32>>,
}

/// A row's place.
pub struct Place {
    pub at: u32,
    pub partition: Range<u32>,
    pub peers: Range<u32>,
    /// How many groups of peers come before it in the partition.
    pub peer_number: u32,
}

impl Layout {
    pub fn new(rows: &Rows, partition_by: &[Expr], order_by: &[Order]) -> Result<Self, EvalError> {
        let columns = partition_by.iter().map(|e| rows.eval(e)).collect::<Result<Vec<_>, _>>()?;
        let types: Vec<DataType> = partition_by.iter().map(|e| e.data_type).collect();
        let (numbers, _) = numbered(&columns, &types, rows.count);
        let partition: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers.iter().map(|&n| i64::from(n))));
        let mut by = vec![SortColumn::ascending(&partition, DataType::Int)];
        for o in order_by {
            by.push(SortColumn::new(&rows.eval(&o.expr)?, o.expr.data_type, o.descending, o.nulls_first));
        }
        let peers = by.len();
        by.extend(rows.order());
        let mut order = sorted(&by, rows.count, rows.count);
        // Rows that are alike in all columns have one order in all calls, so that what one gets of each goes together.
        order.chunk_by_mut(|&a, &b| compare(&by, a, b).is_eq()).for_each(<[u32]>::sort_unstable);
        let partitions = runs(&order, |a, b| numbers[a as usize] == numbers[b as usize]);
        let peers = runs(&order, |a, b| compare(&by[..peers], a, b).is_eq());
        Ok(Layout { order, partitions, peers })
    }

    /// All places, in order.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let mut peers = self.peers.iter().peekable();
        self.partitions.iter().flat_map(move |partition| {
            let mut places = Vec::with_capacity(partition.len());
            let mut peer_number = 0;
            while let Some(peers) = peers.next_if(|peers| peers.start < partition.end) {
                places.extend(peers.clone().map(|at| Place { at, partition: partition.clone(), peers: peers.clone(), peer_number }));
                peer_number += 1;
            }
            places
        })
    }
}

/// Runs of places whose rows are alike.
fn runs(order: &[u32], alike: impl Fn(u32, u32) -> bool) -> Vec<Range<u32>> {
    let mut start = 0;
    let run = |run: &[u32]| {
        let places = start..start + run.len() as u32;
        start = places.end;
        places
    };
    order.chunk_by(|&a, &b| alike(a, b)).map(run).collect()
}
