//! One row per group: the keys, then the aggregates.

mod state;

use std::sync::Arc;

use differential_dataflow::collection::AsCollection;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine, ValBuilder, ValSpine};
use timely::dataflow::operators::ToStream;
use timely::dataflow::operators::vec::Map;
use twopath_query::{Aggregate, EvalError, NamedExpr};

use super::Operator;
use super::collection::{ByKey, Collection, Errors, Keyed, Outcome, Tuple, evaluated, outcomes, reduced};
use super::key::Key;
use crate::differential::datum::Datum;
use crate::differential::expr::{Compiled, Row, compile};
use crate::differential::linear::Totals;
use crate::error::SpeedError;
pub use state::{Planned, State};

pub struct Aggregation {
    keys: Arc<[Compiled]>,
    /// What aggregates are over, each once.
    args: Arc<[Compiled]>,
    aggregates: Arc<[Planned]>,
}

impl Aggregation {
    pub fn new(keys: &[NamedExpr], aggregates: &[Aggregate]) -> Result<Self, SpeedError> {
        let keys = keys.iter().map(|k| compile(&k.expr)).collect::<Result<_, _>>()?;
        let mut exprs = Vec::new();
        let aggregates = aggregates.iter().map(|a| Planned::new(a, &mut exprs)).collect();
        let args = exprs.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Aggregation { keys, args, aggregates })
    }

    /// Each row's key and arguments.
    fn keyed<'s>(&self, rows: Collection<'s>, errors: &mut Errors<'s>) -> Keyed<'s> {
        let (keys, args) = (Arc::clone(&self.keys), Arc::clone(&self.args));
        evaluated(rows, "Keys", errors, move |row: Tuple| {
            let key = keys.iter().map(|e| e.eval(Row::Values(&row))).collect::<Result<Key, EvalError>>()?;
            let args = args.iter().map(|e| e.eval(Row::Values(&row))).collect::<Result<Tuple, EvalError>>()?;
            Ok(Some((key, args)))
        })
    }

    /// Where all aggregates are linear, rows are exploded into the difference, and none is kept.
    fn of_totals<'s>(&self, keyed: Keyed<'s>) -> ByKey<'s, Outcome> {
        let scope = keyed.scope();
        let aggregates = Arc::clone(&self.aggregates);
        let mut totals = keyed.inner.map(move |((key, args), epoch, n)| {
            let sums = aggregates.iter().map(|a| a.sum(&args)).collect();
            ((key, ()), epoch, Totals { rows: 1, sums }.times(n))
        });
        if self.keys.is_empty() {
            // A group over everything is there without rows: something that counts for nothing makes it be.
            let nothing = (scope.index() == 0).then(|| ((Key::from_iter([]), ()), 0, Totals { rows: 1, sums: Vec::new() }));
            totals = timely::dataflow::operators::Concat::concat(totals, nothing.to_stream(scope).container::<Vec<_>>());
        }
        let aggregates = Arc::clone(&self.aggregates);
        let arranged =
            totals.as_collection().arrange_named::<KeyBatcher<Key, u64, Totals>, KeySpine<Key, u64, Totals>>("Totals", KeyBatcher::new);
        arranged.reduce_abelian::<_, ValBuilder<Key, Outcome, u64, isize>, ValSpine<Key, Outcome, u64, isize>, _, _>(
            "OfTotals",
            move |key: &Key, totals: &[(&(), Totals)], output: &mut Vec<(Outcome, isize)>| {
                let sums = &totals[0].1.sums;
                let values = aggregates.iter().enumerate().map(|(i, a)| a.of_sum(sums.get(i).copied().unwrap_or_default()));
                output.push((row(key, values), 1));
            },
            |updates, key, changed| {
                updates.clear();
                updates.extend(changed.drain(..).map(|(value, time, n)| ((key.clone(), value), time, n)));
            },
        )
    }

    /// All arguments of a group are looked at again where one changes.
    fn of_values<'s>(&self, mut keyed: Keyed<'s>) -> ByKey<'s, Outcome> {
        let scope = keyed.scope();
        if self.keys.is_empty() {
            // As above; what has no arguments is no row, because an aggregate that is not linear has one.
            let nothing = (scope.index() == 0).then(|| ((Key::from_iter([]), Tuple::from([])), 0, 1));
            keyed = keyed.concat(nothing.to_stream(scope).container::<Vec<_>>().as_collection());
        }
        let aggregates = Arc::clone(&self.aggregates);
        reduced(keyed.arrange_by_key(), "OfValues", move |key, values: &[(&Tuple, isize)], output: &mut Vec<(Outcome, isize)>| {
            let mut states: Vec<State> = aggregates.iter().map(State::new).collect();
            for (args, n) in values.iter().filter(|(args, _)| !args.is_empty()) {
                states.iter_mut().zip(&*aggregates).for_each(|(state, a)| state.add(a, args, *n));
            }
            output.push((row(key, states.iter().zip(&*aggregates).map(|(state, a)| state.value(a))), 1));
        })
    }
}

/// The group's row, or the error of one of its values.
fn row(key: &Key, values: impl Iterator<Item = Result<Datum, EvalError>>) -> Outcome {
    key.iter().cloned().map(Ok).chain(values).collect()
}

impl Operator for Aggregation {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let keyed = self.keyed(inputs.remove(0), errors);
        let groups = if self.aggregates.iter().all(Planned::is_linear) { self.of_totals(keyed) } else { self.of_values(keyed) };
        outcomes(groups.as_collection(|_, outcome| outcome.clone()), "Groups", errors)
    }
}
