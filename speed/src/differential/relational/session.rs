//! Each row with the session that it is in, among the rows that are alike in certain columns.

use std::sync::Arc;

use twopath_query::EvalError;

use super::Operator;
use super::collection::{Collection, Errors, Outcome, Tuple, outcomes, reduced};
use super::key::Key;
use crate::differential::datum::Datum;

pub struct Session {
    column: usize,
    gap_us: i64,
    by: Arc<[usize]>,
}

impl Session {
    pub fn new(column: usize, gap_us: i64, by: &[usize]) -> Self {
        Session { column, gap_us, by: by.into() }
    }
}

impl Operator for Session {
    /// All rows that are alike are looked at again where one of them changes. A row without a time is in no session.
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let (column, gap_us, by) = (self.column, self.gap_us, Arc::clone(&self.by));
        let keyed = inputs.remove(0).flat_map(move |row: Tuple| {
            let key: Key = by.iter().map(|&c| row[c].clone()).collect();
            let time = row[column].clone();
            let timed: Tuple = [time].into_iter().chain(row.iter().cloned()).collect();
            (!timed[0].is_null()).then_some((key, timed))
        });
        // The time stands first, so that values come in its order.
        let found = reduced(keyed.arrange_by_key(), "Sessions", move |_, rows: &[(&Tuple, isize)], output: &mut Vec<(Outcome, isize)>| {
            let goes_on = |a: &(&Tuple, isize), b: &(&Tuple, isize)| i128::from(us(b.0)) - i128::from(us(a.0)) < i128::from(gap_us);
            for session in rows.chunk_by(goes_on) {
                let (start, last) = (us(session[0].0), us(session[session.len() - 1].0));
                match last.checked_add(gap_us) {
                    None => output.push((Err(EvalError::OutOfRange), 1)),
                    Some(end) => output.extend(session.iter().map(|(row, n)| {
                        let bounds = [Datum::Timestamp(start), Datum::Timestamp(end)];
                        (Ok(row[1..].iter().cloned().chain(bounds).collect()), *n)
                    })),
                }
            }
        });
        outcomes(found.as_collection(|_, outcome| outcome.clone()), "InSessions", errors)
    }
}

fn us(timed: &Tuple) -> i64 {
    match timed[0] {
        Datum::Timestamp(us) => us,
        ref other => unreachable!("typing lets no session over {other:?} through"),
    }
}
