//! What an answer's rows come to in one number, whatever their order: to tell in a moment whether two large answers are the same.

use std::hash::BuildHasher;

use arrow_array::RecordBatch;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::key::{Key, Probe};
use super::order::order;
use super::{GroupAnswer, Groups, finalise};
use twopath_query::values::{Cell, Columns};
use twopath_query::{EvalError, ExprKind, Query};

/// The sum of hashes of rows, twice with different seeds, and how many rows there are. Two answers of a query with the same digest have
/// the same rows but for one chance in 2^64 and less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest {
    rows: u64,
    sums: [u64; 2],
}

const SEEDS: [u64; 2] = [0x7477_6f70_6174_6801, 0x6469_6765_7374_0002];

impl Digest {
    fn of_row<'a>(cells: impl Iterator<Item = Cell<'a>> + Clone) -> Self {
        let hash = |seed| {
            let state = FixedState::with_seed(seed);
            cells.clone().fold(seed, |so_far, cell| state.hash_one((so_far, plain(&cell))))
        };
        Digest { rows: 1, sums: SEEDS.map(hash) }
    }

    fn add(&mut self, other: Digest, times: u64) {
        self.rows = self.rows.wrapping_add(other.rows.wrapping_mul(times));
        for (sum, of) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.wrapping_add(of.wrapping_mul(times));
        }
    }

    fn subtract(&mut self, other: Digest, times: u64) {
        self.add(other, times.wrapping_neg());
    }
}

/// A cell as what is hashed of it. Floats that compare as equal hash alike.
fn plain<'a>(cell: &'a Cell<'_>) -> (u8, i128, &'a str) {
    match cell {
        Cell::Null => (0, 0, ""),
        Cell::Bool(b) => (1, i128::from(*b), ""),
        Cell::Int(i) => (2, i128::from(*i), ""),
        Cell::Float(f) if f.is_nan() => (3, -1, ""),
        Cell::Float(f) => (3, i128::from((f + 0.0).to_bits()), ""),
        Cell::Text(text) => (4, 0, text),
        Cell::Timestamp(us) => (5, i128::from(*us), ""),
        Cell::Interval(us) => (6, i128::from(*us), ""),
        Cell::Numeric(n) => (7, *n, ""),
        Cell::Decimal(d) => {
            // 1.50 and 1.5 are one number.
            let (mut unscaled, mut scale) = (d.unscaled, d.scale);
            while scale > 0 && unscaled % 10 == 0 {
                (unscaled, scale) = (unscaled / 10, scale - 1);
            }
            (8 + scale, unscaled, "")
        }
    }
}

/// The digest of an engine's answer; none where a digest cannot stand for it: the query has ORDER BY or LIMIT, or the rows are not in key
/// order, or do not show it. Such an answer is to be compared row by row.
///
/// # Errors
/// A value that has no SQL value.
pub fn digest(query: &Query, rows: &RecordBatch) -> Result<Option<Digest>, EvalError> {
    let Some(keys) = key_columns(query) else { return Ok(None) };
    let columns = Columns::of(rows);
    let mut sum = Digest::default();
    let mut row_cells: Vec<Cell<'_>> = Vec::new();
    let mut before: Vec<Cell<'_>> = Vec::new();
    for row in 0..rows.num_rows() {
        std::mem::swap(&mut before, &mut row_cells);
        row_cells.clear();
        for column in 0..columns.len() {
            row_cells.push(columns.get(column, row)?);
        }
        if row > 0 {
            let order = keys.iter().map(|&c| order(&before[c], &row_cells[c])).find(|o| o.is_ne());
            if order.is_some_and(std::cmp::Ordering::is_gt) {
                return Ok(None);
            }
        }
        sum.add(Digest::of_row(row_cells.iter().cloned()), 1);
    }
    Ok(Some(sum))
}

/// Where in the output the keys stand, in their order; none where a digest cannot stand for an answer.
fn key_columns(query: &Query) -> Option<Vec<usize>> {
    if !query.order_by.is_empty() || query.limit.is_some() || query.finish.is_some() {
        return None;
    }
    let place = |key: usize| query.output.iter().position(|o| o.expr.kind == ExprKind::Column(key));
    (0..query.keys.len()).map(place).collect()
}

/// The digest of a reference's answer, kept as it rolls forward: what a group gave before it changed is taken away, and what it gives
/// after it is added.
#[derive(Clone, Default)]
pub(super) struct Rolling {
    sum: Digest,
    /// Groups that changed since the sum was made whole.
    touched: HashSet<Key, FixedState>,
    /// Groups that changed since they were asked for.
    changed: HashSet<Key, FixedState>,
    /// What could not be finalised is no digest's matter any more.
    failed: bool,
}

impl Rolling {
    /// Of a reference that has these groups.
    pub fn over(groups: &Groups) -> Self {
        Rolling { touched: groups.keys().cloned().collect(), ..Rolling::default() }
    }

    /// To be called before a group changes.
    pub fn touch(&mut self, query: &Query, groups: &Groups, probe: &Probe<'_, '_>) {
        if self.touched.contains(probe) {
            return;
        }
        if let Some((key, states)) = groups.get_key_value(probe) {
            match finalise(query, key, states) {
                Ok(answer) => self.change(answer, Digest::subtract),
                Err(_) => self.failed = true,
            }
        }
        self.touched.insert(Key::from(probe));
    }

    /// The digest with all that has changed.
    pub fn whole(&mut self, query: &Query, groups: &Groups) -> Option<Digest> {
        key_columns(query)?;
        for key in std::mem::take(&mut self.touched) {
            match groups.get_key_value(&key).map(|(key, states)| finalise(query, key, states)) {
                Some(Ok(answer)) => self.change(answer, Digest::add),
                Some(Err(_)) => self.failed = true,
                None => {}
            }
            self.changed.insert(key);
        }
        (!self.failed).then_some(self.sum)
    }

    /// The groups that had changed when the sum was last made whole, since they were last asked for.
    pub fn changed(&mut self) -> impl Iterator<Item = Key> + use<> {
        std::mem::take(&mut self.changed).into_iter()
    }

    fn change(&mut self, answer: Option<GroupAnswer>, how: fn(&mut Digest, Digest, u64)) {
        let Some(answer) = answer else { return };
        how(&mut self.sum, Digest::of_row(answer.output.iter().map(Cell::from)), answer.times as u64);
    }
}
