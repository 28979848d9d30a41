//! Pairs of rows, and the rows that joins make of them.

use arrow_array::UInt32Array;

use super::on::OverPairs;
use super::rows::{Rows, taken};
use twopath_query::plan::JoinKind;
use twopath_query::{EvalError, Expr};

/// How many pairs a condition is evaluated for at a time.
const PAIRS_AT_A_TIME: usize = 1 << 15;

/// Pairs by number of the left and of the right row.
#[derive(Default)]
pub struct Pairs {
    pub left: Vec<u32>,
    pub right: Vec<u32>,
}

impl Pairs {
    /// Those for which the condition is TRUE.
    ///
    /// # Errors
    /// The [`EvalError`] of a pair that raises one.
    pub fn kept(pairs: impl Iterator<Item = (u32, u32)>, condition: Option<&Expr>, left: &Rows, right: &Rows) -> Result<Self, EvalError> {
        let Some(condition) = condition else {
            let (left, right) = pairs.unzip();
            return Ok(Pairs { left, right });
        };
        let condition = OverPairs::new(condition, left, right);
        let (mut kept, mut some, mut pairs) = (Pairs::default(), Pairs::default(), pairs);
        loop {
            some.left.clear();
            some.right.clear();
            for (l, r) in pairs.by_ref().take(PAIRS_AT_A_TIME) {
                some.left.push(l);
                some.right.push(r);
            }
            if some.left.is_empty() {
                return Ok(kept);
            }
            for pair in condition.are_true(&some.left, &some.right)?.set_indices() {
                kept.left.push(some.left[pair]);
                kept.right.push(some.right[pair]);
            }
        }
    }

    /// The rows of a join of this kind: the pairs' columns, and those of the rows that are in no pair, with NULLs for the other side.
    pub fn joined(self, left: &Rows, right: &Rows, kind: JoinKind) -> Rows {
        let alone = |kinds: [JoinKind; 2], rows: &Rows, paired: &[u32]| {
            if !kinds.contains(&kind) {
                return Vec::new();
            }
            let mut is_alone = vec![true; rows.count];
            paired.iter().for_each(|&row| is_alone[row as usize] = false);
            (0..rows.count as u32).filter(|&row| is_alone[row as usize]).collect()
        };
        let left_alone = alone([JoinKind::Left, JoinKind::Full], left, &self.left);
        let right_alone = alone([JoinKind::Right, JoinKind::Full], right, &self.right);
        let count = self.left.len() + left_alone.len() + right_alone.len();
        let (lefts, rights) = if left_alone.is_empty() && right_alone.is_empty() {
            (UInt32Array::from(self.left), UInt32Array::from(self.right))
        } else {
            let nulls = |rows: &[u32]| std::iter::repeat_n(None, rows.len());
            let some = |rows: &[u32]| rows.iter().copied().map(Some).collect::<Vec<_>>();
            let lefts = some(&self.left).into_iter().chain(some(&left_alone)).chain(nulls(&right_alone)).collect();
            let rights = some(&self.right).into_iter().chain(nulls(&left_alone)).chain(some(&right_alone)).collect();
            (lefts, rights)
        };
        let mut columns = taken(&left.columns, &lefts);
        columns.extend(taken(&right.columns, &rights));
        let types = left.types.iter().chain(&right.types).copied().collect();
        Rows::new(columns, types, count)
    }
}
