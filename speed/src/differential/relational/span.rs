//! Rows that are there for a span of something (of time, as a rule), and the rows of another side that fall into it.

use std::sync::Arc;

use differential_dataflow::VecCollection;
use serde::{Deserialize, Serialize};
use twopath_query::plan::JoinKind;

use super::collection::{ByKey, Collection, Tuple, before_nulls, beside};
use super::key::Key;
use crate::differential::datum::Datum;
use crate::differential::expr::{Compiled, Row};

/// A row and the span in which it is there; a bound that is not there binds nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    pub row: Tuple,
    pub lower: Option<Datum>,
    pub upper: Option<Datum>,
}

/// Which of its bounds a span holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Lower,
    Upper,
}

impl Span {
    fn has(&self, at: &Datum, holds: Holds) -> bool {
        let (lower, upper) = (self.lower.as_ref(), self.upper.as_ref());
        match holds {
            Holds::Lower => lower.is_none_or(|lower| lower <= at) && upper.is_none_or(|upper| at < upper),
            Holds::Upper => lower.is_none_or(|lower| lower < at) && upper.is_none_or(|upper| at <= upper),
        }
    }
}

/// A left row, and where it falls.
pub type Placed<'s> = VecCollection<'s, u64, (Key, (Datum, Tuple)), isize>;

/// Each left row with the right one of its key in whose span it falls and for which `rest` is TRUE; of that there is one at most.
///
/// What `rest` raises is nothing: who builds it makes sure that it cannot.
pub fn joined<'s>(
    left: Collection<'s>,
    placed: Placed<'s>,
    spans: ByKey<'s, Span>,
    (holds, kind, right_width): (Holds, JoinKind, usize),
    rest: Option<Arc<Compiled>>,
) -> Collection<'s> {
    let pairs = placed.arrange_by_key().join_core(spans, move |_: &Key, (at, left): &(Datum, Tuple), span: &Span| {
        let is_pair = || rest.as_ref().is_none_or(|rest| rest.is_true(Row::Pair(left, &span.row)).unwrap_or(false));
        (span.has(at, holds) && is_pair()).then(|| (left.clone(), span.row.clone()))
    });
    let rows = pairs.clone().map(|(left, right)| beside(&left, &right));
    if kind != JoinKind::Left {
        return rows;
    }
    // A left row has one partner or none, so that what has none is what is left over.
    let alone = left.concat(pairs.map(|(left, _)| left).negate());
    rows.concat(alone.map(move |row| before_nulls(&row, right_width)))
}
