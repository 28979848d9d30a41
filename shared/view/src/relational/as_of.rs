//! Joins with the one row that is nearest.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array};

use super::keys::{ByNumber, NONE};
use super::on::{On, OverPairs};
use super::pairs::Pairs;
use super::rows::Rows;
use crate::order::{SortColumn, comparable, sorted};
use twopath_query::plan::JoinKind;
use twopath_query::{BinaryOp, DataType, EvalError, Expr};

/// Each left row with the nearest right row of those for which `on` is TRUE and `left_at op right_at` holds.
pub fn as_of(
    left: &Rows,
    right: &Rows,
    kind: JoinKind,
    on: Option<&Expr>,
    op: BinaryOp,
    left_at: &Expr,
    right_at: &Expr,
) -> Result<Rows, EvalError> {
    let (l_at, r_at) = (left.eval(left_at)?, right.eval(right_at)?);
    let (l_at, r_at) = comparable((&l_at, left_at.data_type), (&r_at, right_at.data_type));
    let on = On::new(on, left, right)?;
    let by_number = ByNumber::new(nearest_last(right, &on.right, &r_at, op), on.count);
    // The rows that may be the left row's, the nearest last.
    let candidates = |l: u32| {
        let rows = by_number.rows(on.left[l as usize]);
        let at = l_at.value(l as usize);
        let count = rows.partition_point(|&r| {
            let right_at = r_at.value(r as usize);
            match op {
                BinaryOp::GreaterOrEqual => right_at <= at,
                BinaryOp::Greater => right_at < at,
                BinaryOp::LessOrEqual => right_at >= at,
                BinaryOp::Less => right_at > at,
                _ => panic!("an as-of join looks forward or back, not by {op:?}"),
            }
        });
        &rows[..count]
    };
    let searching = (0..left.count as u32).filter(|&l| l_at.is_valid(l as usize) && on.left[l as usize] != NONE);
    let Some(rest) = &on.rest else {
        let pairs = searching.filter_map(|l| candidates(l).last().map(|&r| (l, r)));
        return Ok(Pairs::kept(pairs, None, left, right)?.joined(left, right, kind));
    };
    if rest.can_fail() {
        // Every pair that may raise an error is looked at.
        let pairs = on.left.iter().zip(0..).flat_map(|(&number, l)| by_number.rows(number).iter().map(move |&r| (l, r)));
        Pairs::kept(pairs, Some(rest), left, right)?;
    }
    let condition = OverPairs::new(rest, left, right);
    let mut open: Vec<(u32, &[u32])> = searching.map(|l| (l, candidates(l))).collect();
    let mut found = Pairs::default();
    // Each round tries the nearest row that is left for each row that has found none.
    loop {
        open.retain(|(_, rows)| !rows.is_empty());
        if open.is_empty() {
            return Ok(found.joined(left, right, kind));
        }
        let (lefts, rights): (Vec<u32>, Vec<u32>) = open.iter().map(|(l, rows)| (*l, rows[rows.len() - 1])).unzip();
        let fits = condition.are_true(&lefts, &rights)?;
        for pair in fits.set_indices() {
            found.left.push(lefts[pair]);
            found.right.push(rights[pair]);
        }
        let mut place = 0;
        open.retain_mut(|(_, rows)| {
            *rows = &rows[..rows.len() - 1];
            place += 1;
            !fits.value(place - 1)
        });
    }
}

/// The right rows that have a moment, with their numbers: those that a left row prefers come later.
fn nearest_last<'a>(rows: &Rows, numbers: &'a [u32], at: &Int64Array, op: BinaryOp) -> impl Iterator<Item = (u32, u32)> + Clone + use<'a> {
    let looks_back = matches!(op, BinaryOp::GreaterOrEqual | BinaryOp::Greater);
    let moment: ArrayRef = Arc::new(at.clone());
    let mut order = vec![SortColumn::new(&moment, DataType::Int, !looks_back, false)];
    order.extend(rows.order());
    let with_moment = rows.count - at.null_count();
    let order = sorted(&order, rows.count, with_moment);
    order.into_iter().map(|row| (numbers[row as usize], row))
}
