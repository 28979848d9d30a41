//! Joins with a table as it was at the moment of each row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array};

use super::keys::{ByNumber, NONE, numbered};
use super::newest::{by_key, is_tombstone};
use super::on::On;
use super::pairs::Pairs;
use super::rows::Rows;
use crate::order::comparable;
use twopath_query::plan::{JoinKind, Moment, Upserts};
use twopath_query::{DataType, EvalError, Expr};

/// Each left row with the rows for which `on` is TRUE of the table that the right side is at the moment of the left row.
///
/// A right row is in the table from its own moment until that of the first row that replaces it, so that of each key one row at most is there, found by halving.
pub fn temporal(left: &Rows, right: &Rows, kind: JoinKind, on: Option<&Expr>, at: &Moment, upserts: &Upserts) -> Result<Rows, EvalError> {
    let (left_at, right_at) = (left.eval(&at.left_at)?, right.eval(&at.right_at)?);
    let (moments, begins) = comparable((&left_at, at.left_at.data_type), (&right_at, at.right_at.data_type));
    let on = On::new(on, left, right)?;
    let there = Lifetimes::new(right, upserts, &begins);
    let (runs, of_number) = there.by_number(&on.right, on.count);
    let in_table = |l: u32, run: &[u32]| {
        let moment = i128::from(moments.value(l as usize));
        let begun = |&r: &u32| {
            let begins = i128::from(begins.value(r as usize));
            begins < moment || at.inclusive && begins == moment
        };
        let newest = run[run.partition_point(begun).checked_sub(1)?];
        let until = there.until[newest as usize];
        (moment < until || !at.inclusive && moment == until).then_some(newest)
    };
    let (runs, in_table) = (&runs, &in_table);
    let pairs = on.left.iter().zip(0..).filter(|(_, l)| moments.is_valid(*l as usize)).flat_map(|(&number, l)| {
        let found = of_number.rows(number).iter().filter_map(move |&run| in_table(l, &runs[run as usize]));
        found.map(move |r| (l, r))
    });
    Ok(Pairs::kept(pairs, on.rest.as_ref(), left, right)?.joined(left, right, kind))
}

/// When the rows of a changelog are in its table.
struct Lifetimes {
    /// A number for each row's key.
    keys: Vec<u32>,
    /// The rows that ever are.
    rows: Vec<u32>,
    /// By row: the moment of the first that replaces it; greater than every moment where none does.
    until: Vec<i128>,
}

const NEVER: i128 = i128::MAX;

impl Lifetimes {
    fn new(rows: &Rows, upserts: &Upserts, begins: &Int64Array) -> Self {
        let (order, keys) = by_key(rows, upserts);
        let is_tombstone = is_tombstone(rows, upserts);
        let mut until = vec![NEVER; rows.count];
        let mut there = Vec::new();
        for run in order.chunk_by(|&a, &b| keys[a as usize] == keys[b as usize]) {
            let mut replaced = NEVER;
            for &row in run.iter().rev().filter(|&&row| begins.is_valid(row as usize)) {
                let begins = i128::from(begins.value(row as usize));
                until[row as usize] = replaced;
                if begins < replaced {
                    replaced = begins;
                    there.extend((!is_tombstone(row)).then_some(row));
                }
            }
        }
        // A key's rows are there from the newest on; that is the order of their moments, from the last.
        there.reverse();
        Lifetimes { keys, rows: there, until }
    }

    /// Runs of rows of one key and one number, in the order of their moments, and which runs each number has.
    fn by_number(&self, numbers: &[u32], count: usize) -> (Vec<Vec<u32>>, ByNumber) {
        let rows: Vec<u32> = self.rows.iter().copied().filter(|&row| numbers[row as usize] != NONE).collect();
        let column =
            |of: &[u32]| -> ArrayRef { Arc::new(Int64Array::from_iter_values(rows.iter().map(|&row| i64::from(of[row as usize])))) };
        let (run_of, runs) = numbered(&[column(numbers), column(&self.keys)], &[DataType::Int; 2], rows.len());
        let mut found = vec![Vec::new(); runs];
        run_of.iter().zip(&rows).for_each(|(&run, &row)| found[run as usize].push(row));
        let number_of: Vec<u32> = found.iter().map(|run| numbers[run[0] as usize]).collect();
        (found, ByNumber::new(number_of.into_iter().zip(0..), count))
    }
}
