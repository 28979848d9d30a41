//! Groups.

use super::{Row, value};
use crate::key::Key;
use crate::state::State;
use crate::{Groups, accumulate};
use twopath_query::{Aggregate, EvalError, NamedExpr};

/// One row per group: the keys, then the aggregates; one row in all where there are no keys.
pub(super) fn grouped(rows: &[Row], keys: &[NamedExpr], aggregates: &[Aggregate]) -> Result<Vec<Row>, EvalError> {
    let new_group = || aggregates.iter().map(State::new).collect::<Box<[State]>>();
    let mut groups = Groups::default();
    if keys.is_empty() {
        groups.insert(Key(Box::from([])), new_group());
    }
    for row in rows {
        let key = keys.iter().map(|k| value(&k.expr, row)).collect::<Result<Row, _>>()?;
        let states = groups.entry(Key(key.into())).or_insert_with(new_group);
        accumulate(states, aggregates, &&row[..])?;
    }
    let row = |(key, states): (Key, Box<[State]>)| {
        let mut row = key.0.into_vec();
        for (state, aggregate) in states.iter().zip(aggregates) {
            row.push(state.value(aggregate)?);
        }
        Ok(row)
    };
    groups.into_iter().map(row).collect()
}
