//! Collections of rows, and of the errors that rows raise.

use std::sync::Arc;

use differential_dataflow::VecCollection;
use differential_dataflow::collection::{AsCollection, concatenate};
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::{KeyBuilder, KeySpine, ValBuilder, ValSpine};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Scope;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use twopath_query::EvalError;

use super::key::Key;
use crate::differential::datum::Datum;

/// A row, or what an aggregate is over.
pub type Tuple = Arc<[Datum]>;

/// Rows that come and go.
pub type Collection<'s> = VecCollection<'s, u64, Tuple, isize>;

/// Rows by key.
pub type Keyed<'s> = VecCollection<'s, u64, (Key, Tuple), isize>;

pub type ByKey<'s, V> = Arranged<'s, TraceAgent<ValSpine<Key, V, u64, isize>>>;

pub type Set<'s, D> = Arranged<'s, TraceAgent<KeySpine<D, u64, isize>>>;

/// What a row comes to; an error is the row's.
pub type Outcome = Result<Tuple, EvalError>;

/// The errors of all operators.
#[derive(Default)]
pub struct Errors<'s>(Vec<VecCollection<'s, u64, EvalError, isize>>);

impl<'s> Errors<'s> {
    /// The dataflow's, once there are sources.
    pub fn scope(&self) -> Scope<'s, u64> {
        self.0.first().expect("sources raise errors").scope()
    }

    pub fn push(&mut self, errors: VecCollection<'s, u64, EvalError, isize>) {
        self.0.push(errors);
    }

    pub fn all(mut self) -> VecCollection<'s, u64, EvalError, isize> {
        let first = self.0.pop().expect("sources raise errors");
        if self.0.is_empty() { first } else { concatenate(first.scope(), self.0.into_iter().chain([first])) }
    }
}

type Builder<D> = CapacityContainerBuilder<Vec<D>>;

/// What `f` makes of each of these; what it raises goes to the errors.
pub fn evaluated<'s, D: Clone + 'static, O: Clone + 'static, I: IntoIterator<Item = O>>(
    input: VecCollection<'s, u64, D, isize>,
    name: &str,
    errors: &mut Errors<'s>,
    mut f: impl FnMut(D) -> Result<I, EvalError> + 'static,
) -> VecCollection<'s, u64, O, isize> {
    let mut builder = OperatorBuilder::new(name.to_owned(), input.scope());
    let mut input = builder.new_input(input.inner, Pipeline);
    let (given, given_stream) = builder.new_output();
    let (raised, raised_stream) = builder.new_output();
    let mut given = OutputBuilder::<_, Builder<(O, u64, isize)>>::from(given);
    let mut raised = OutputBuilder::<_, Builder<(EvalError, u64, isize)>>::from(raised);
    builder.build(move |_| {
        move |_frontiers| {
            let (mut given, mut raised) = (given.activate(), raised.activate());
            input.for_each(|capability, data| {
                let mut failed = Vec::new();
                let mut session = given.session(&capability);
                for (datum, epoch, n) in data.drain(..) {
                    match f(datum) {
                        Ok(given) => given.into_iter().for_each(|datum| session.give((datum, epoch, n))),
                        Err(error) => failed.push((error, epoch, n)),
                    }
                }
                drop(session);
                raised.session(&capability).give_iterator(failed.into_iter());
            });
        }
    });
    errors.push(raised_stream.as_collection());
    given_stream.as_collection()
}

/// Rows, and the errors of those that have become one.
pub fn outcomes<'s>(outcomes: VecCollection<'s, u64, Outcome, isize>, name: &str, errors: &mut Errors<'s>) -> Collection<'s> {
    evaluated(outcomes, name, errors, |outcome| outcome.map(Some))
}

/// What `logic` makes of all values of a key, which come in their order, each with how often it is there.
pub fn reduced<'s, V: differential_dataflow::ExchangeData, O: differential_dataflow::Data>(
    values: ByKey<'s, V>,
    name: &str,
    logic: impl FnMut(&Key, &[(&V, isize)], &mut Vec<(O, isize)>) + 'static,
) -> ByKey<'s, O> {
    values.reduce_abelian::<_, ValBuilder<Key, O, u64, isize>, ValSpine<Key, O, u64, isize>, _, _>(name, logic, |updates, key, changed| {
        updates.clear();
        updates.extend(changed.drain(..).map(|(value, time, n)| ((key.clone(), value), time, n)));
    })
}

/// Each of these once.
pub fn set<'s, D: differential_dataflow::ExchangeData + std::hash::Hash>(data: VecCollection<'s, u64, D, isize>, name: &str) -> Set<'s, D> {
    data.arrange_by_self().reduce_abelian::<_, KeyBuilder<D, u64, isize>, KeySpine<D, u64, isize>, _, _>(
        name,
        |_, _, output| output.push(((), 1)),
        |updates, datum, changed| {
            updates.clear();
            updates.extend(changed.drain(..).map(|(value, time, n)| ((datum.clone(), value), time, n)));
        },
    )
}

/// One row beside another.
pub fn beside(left: &[Datum], right: &[Datum]) -> Tuple {
    left.iter().chain(right).cloned().collect()
}

/// A row beside as many NULLs.
pub fn before_nulls(left: &[Datum], width: usize) -> Tuple {
    left.iter().cloned().chain(std::iter::repeat_n(Datum::Null, width)).collect()
}

/// As many NULLs, and a row beside them.
pub fn after_nulls(width: usize, right: &[Datum]) -> Tuple {
    std::iter::repeat_n(Datum::Null, width).chain(right.iter().cloned()).collect()
}
