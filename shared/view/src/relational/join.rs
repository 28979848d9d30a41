//! Joins of pairs that fulfil a condition.

use super::keys::ByNumber;
use super::on::On;
use super::pairs::Pairs;
use super::rows::Rows;
use twopath_query::plan::JoinKind;
use twopath_query::{EvalError, Expr};

/// Pairs of a left and a right row for which `on` is TRUE, and in outer joins the rows that found no other. Rows meet by what the condition says to be equal; the
/// rest of it is evaluated for those that do.
pub fn join(left: &Rows, right: &Rows, kind: JoinKind, on: Option<&Expr>) -> Result<Rows, EvalError> {
    let on = On::new(on, left, right)?;
    let of_right = ByNumber::new(on.right.iter().copied().zip(0..), on.count);
    let of_left = on.left.iter().zip(0..);
    let pairs = of_left.flat_map(|(&number, l)| of_right.rows(number).iter().map(move |&r| (l, r)));
    Ok(Pairs::kept(pairs, on.rest.as_ref(), left, right)?.joined(left, right, kind))
}
