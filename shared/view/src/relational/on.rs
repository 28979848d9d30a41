//! A join's condition, taken apart: equalities between the sides, which rows of one side alone it lets through, and what is left.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::keys::NONE;
use super::rows::Rows;
use crate::eval::eval_condition;
use crate::order::normalised;
use crate::table::GroupTable;
use twopath_query::{BinaryOp, DataType, EvalError, Expr, ExprKind};

/// Of a condition over a pair of rows: only pairs with the same number can fulfil it, and those that do are the ones for which what is left is TRUE.
pub struct On {
    /// By row, [`NONE`] where the row is in no pair.
    pub left: Vec<u32>,
    pub right: Vec<u32>,
    /// How many numbers there are.
    pub count: usize,
    /// Over the left columns, then the right ones.
    pub rest: Option<Expr>,
}

/// Which side's columns an expression reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Neither,
    Left,
    Right,
    Both,
}

fn reads(expr: &Expr, left_columns: usize) -> Reads {
    let mut reads = Reads::Neither;
    expr.visit(&mut |e| {
        if let ExprKind::Column(c) = e.kind {
            let side = if c < left_columns { Reads::Left } else { Reads::Right };
            reads = if reads == Reads::Neither || reads == side { side } else { Reads::Both };
        }
    });
    reads
}

/// An expression over the right columns alone.
fn of_right(expr: &Expr, left_columns: usize) -> Expr {
    let moved: Result<Expr, std::convert::Infallible> = expr.try_columns(&mut |c, t| Ok(Expr::column(c - left_columns, t)));
    let Ok(moved) = moved;
    moved
}

impl On {
    /// # Errors
    /// The [`EvalError`] of a row in which one side of an equality raises one.
    pub fn new(on: Option<&Expr>, left: &Rows, right: &Rows) -> Result<Self, EvalError> {
        let width = left.columns.len();
        let parts: Vec<&Expr> = on.into_iter().flat_map(Expr::conjuncts).collect();
        let (mut keys, mut rest) = (Keys::default(), None);
        let (mut fits_left, mut fits_right): (Option<BooleanBuffer>, Option<BooleanBuffer>) = (None, None);
        // Where one side has no rows there is no pair for which anything is evaluated.
        let any = left.count > 0 && right.count > 0;
        for (place, part) in parts.iter().enumerate() {
            // What can fail is evaluated ahead of the rest only where nothing stands before it that could keep it from being evaluated.
            let ahead = any && (place == 0 || !part.can_fail());
            let sides = if let ExprKind::Binary { op: BinaryOp::Equal, left: a, right: b } = &part.kind {
                match (reads(a, width), reads(b, width)) {
                    (Reads::Left, Reads::Right) => Some((a, b)),
                    (Reads::Right, Reads::Left) => Some((b, a)),
                    _ => None,
                }
            } else {
                None
            };
            match (ahead, sides, reads(part, width)) {
                (true, Some((l, r)), _) => {
                    let r = of_right(r, width);
                    keys.add((left.eval(l)?, l.data_type), (right.eval(&r)?, r.data_type));
                }
                (true, None, Reads::Left) if !part.can_fail() => both(&mut fits_left, eval_condition(part, &left.columns, left.count)?),
                (true, None, Reads::Right) if !part.can_fail() => {
                    both(&mut fits_right, eval_condition(&of_right(part, width), &right.columns, right.count)?);
                }
                _ => {
                    rest = Some(
                        rest.map_or_else(|| (*part).clone(), |rest| Expr::binary(BinaryOp::And, rest, (*part).clone(), DataType::Bool)),
                    )
                }
            }
        }
        let (mut on, count) = keys.numbers(left.count, right.count);
        without(&mut on.0, fits_left.as_ref());
        without(&mut on.1, fits_right.as_ref());
        Ok(On { left: on.0, right: on.1, count, rest })
    }
}

fn both(mask: &mut Option<BooleanBuffer>, other: BooleanBuffer) {
    *mask = Some(mask.as_ref().map_or_else(|| other.clone(), |mask| mask & &other));
}

/// Takes their numbers from the rows that are not in the mask.
fn without(numbers: &mut [u32], kept: Option<&BooleanBuffer>) {
    if let Some(kept) = kept {
        numbers.iter_mut().zip(kept).filter(|(_, kept)| !kept).for_each(|(number, _)| *number = NONE);
    }
}

/// The two sides of equalities, column by column.
#[derive(Default)]
struct Keys {
    left: Vec<ArrayRef>,
    right: Vec<ArrayRef>,
    types: Vec<DataType>,
}

impl Keys {
    fn add(&mut self, left: (ArrayRef, DataType), right: (ArrayRef, DataType)) {
        if let (Some(a), Some(b)) = (left.1.decimal_scale(), right.1.decimal_scale())
            && a != b
        {
            self.left.extend(normalised(&left.0, a));
            self.right.extend(normalised(&right.0, b));
            self.types.extend([DataType::Numeric, DataType::Int]);
        } else {
            self.left.push(left.0);
            self.right.push(right.0);
            self.types.push(left.1);
        }
    }

    /// Numbers of the left and of the right rows, and how many there are. NULL is equal to nothing.
    fn numbers(&self, left_rows: usize, right_rows: usize) -> ((Vec<u32>, Vec<u32>), usize) {
        let mut table = GroupTable::of_keys(self.types.iter().copied());
        // The table is of the side with fewer rows.
        let (mut left, mut right) = if left_rows < right_rows {
            let left = table.number(&self.left, left_rows);
            (left, table.lookup(&self.right, right_rows))
        } else {
            let right = table.number(&self.right, right_rows);
            (table.lookup(&self.left, left_rows), right)
        };
        without(&mut left, not_null(&self.left).as_ref());
        without(&mut right, not_null(&self.right).as_ref());
        ((left, right), table.len())
    }
}

/// The rows in which no column is NULL; `None` is all.
fn not_null(columns: &[ArrayRef]) -> Option<BooleanBuffer> {
    let nulls = columns.iter().fold(None, |nulls, column| NullBuffer::union(nulls.as_ref(), column.nulls()));
    nulls.map(|nulls| nulls.inner().clone())
}

/// An expression over a pair's columns, evaluated for some pairs: only the columns that it reads are put together.
pub struct OverPairs<'a> {
    expr: Expr,
    columns: Vec<(&'a ArrayRef, bool)>,
}

impl<'a> OverPairs<'a> {
    pub fn new(expr: &Expr, left: &'a Rows, right: &'a Rows) -> Self {
        let mut read: Vec<usize> = Vec::new();
        expr.visit(&mut |e| {
            if let ExprKind::Column(c) = e.kind {
                read.push(c);
            }
        });
        read.sort_unstable();
        read.dedup();
        let width = left.columns.len();
        let column = |&c: &usize| if c < width { (&left.columns[c], false) } else { (&right.columns[c - width], true) };
        OverPairs { expr: expr.over(&read), columns: read.iter().map(column).collect() }
    }

    /// The pairs, given by row of each side, for which it is TRUE.
    ///
    /// # Errors
    /// The [`EvalError`] of a pair that raises one.
    pub fn are_true(&self, left: &[u32], right: &[u32]) -> Result<BooleanBuffer, EvalError> {
        let rows = [left, right].map(|rows| arrow_array::UInt32Array::from(rows.to_vec()));
        let column = |(array, of_right): &(&ArrayRef, bool)| {
            arrow_select::take::take(Arc::as_ref(array), &rows[usize::from(*of_right)], None).expect("rows that exist")
        };
        let columns: Vec<ArrayRef> = self.columns.iter().map(column).collect();
        eval_condition(&self.expr, &columns, left.len())
    }
}
