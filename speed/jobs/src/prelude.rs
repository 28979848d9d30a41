//! What hand-written queries start with, the built-in ones and anybody's own. It is counted as code that people write.

pub use std::collections::{HashMap, HashSet};

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
pub use arrow_array::{Array, Float64Array, Int64Array, StringArray};
pub use differential_dataflow::VecCollection;
use differential_dataflow::collection::AsCollection;
use differential_dataflow::difference::{IsZero, Multiply, Semigroup};
pub use differential_dataflow::operators::CountTotal;
use serde::{Deserialize, Serialize};
use timely::ExchangeData;
use timely::container::CapacityContainerBuilder;
pub use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;
pub use timely::dataflow::operators::vec::Map;
pub use twopath_query::DataType;
pub use twopath_view::Finals;

pub use twopath_speed::{Flow, Frame, HandWritten, Item, Row};

pub const HOUR_US: i64 = 3_600_000_000;
pub const DAY_US: i64 = 24 * HOUR_US;

/// The start of the window that a time falls in.
pub fn window(time_us: i64, size_us: i64) -> i64 {
    time_us - time_us.rem_euclid(size_us)
}

/// A column of times, in microseconds.
pub fn times(frame: &Frame, name: &str) -> Int64Array {
    frame.batch[name].as_primitive::<TimestampMicrosecondType>().reinterpret_cast()
}

pub fn numbers(frame: &Frame, name: &str) -> Int64Array {
    frame.batch[name].as_primitive::<Int64Type>().clone()
}

pub fn floats(frame: &Frame, name: &str) -> Float64Array {
    frame.batch[name].as_primitive::<Float64Type>().clone()
}

pub fn texts(frame: &Frame, name: &str) -> StringArray {
    frame.batch[name].as_string().clone()
}

/// A number, unless it is NULL.
pub fn number(column: &Int64Array, row: usize) -> Option<i64> {
    column.is_valid(row).then(|| column.value(row))
}

/// A text, unless it is NULL.
pub fn text(column: &StringArray, row: usize) -> Option<String> {
    column.is_valid(row).then(|| column.value(row).to_owned())
}

/// Parts with timely: each epoch's values folded by key, and forgotten with the epoch.
pub fn parts_per_epoch<'s, K, V, S>(
    values: Stream<'s, u64, Vec<(K, V)>>,
    fold: impl Fn(&mut S, V) + 'static,
    row: impl Fn(&K, &S) -> Row + 'static,
) -> Stream<'s, u64, Vec<Row>>
where
    K: ExchangeData + Hash + Eq + Clone,
    V: ExchangeData,
    S: Default + 'static,
{
    per_epoch(values, false, fold, move |key, group| [row(key, group)])
}

/// Final values with timely: all values folded by key, and each epoch's changed keys given.
pub fn finals_per_epoch<'s, K, V, S>(
    values: Stream<'s, u64, Vec<(K, V)>>,
    fold: impl Fn(&mut S, V) + 'static,
    row: impl Fn(&K, &S) -> Row + 'static,
) -> Stream<'s, u64, Vec<Row>>
where
    K: ExchangeData + Hash + Eq + Clone,
    V: ExchangeData,
    S: Default + 'static,
{
    per_epoch(values, true, fold, move |key, group| [row(key, group)])
}

/// Whatever is to be given of the keys that an epoch touched, with timely: its values folded by key, onto what is kept of those before or onto nothing.
pub fn per_epoch<'s, K, V, S, G>(
    values: Stream<'s, u64, Vec<(K, V)>>,
    keeps: bool,
    fold: impl Fn(&mut S, V) + 'static,
    give: impl Fn(&K, &mut S) -> G + 'static,
) -> Stream<'s, u64, Vec<G::Item>>
where
    K: ExchangeData + Hash + Eq + Clone,
    V: ExchangeData,
    S: Default + 'static,
    G: IntoIterator<Item: Clone + 'static>,
{
    let by_key = Exchange::new(|(key, _): &(K, V)| {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        hasher.finish()
    });
    values.unary_frontier::<CapacityContainerBuilder<Vec<G::Item>>, _, _, _>(by_key, "PerEpoch", move |_, _| {
        let mut pending = BTreeMap::new();
        let mut state: HashMap<K, S> = HashMap::new();
        let mut changed: HashSet<K> = HashSet::new();
        move |(input, frontier), output| {
            input.for_each(|capability, values| {
                let Some(capability) = capability.retain_least(0) else { return };
                let (_, held) = pending.entry(*capability.time()).or_insert_with(|| (capability, Vec::new()));
                held.append(values);
            });
            while let Some(mut entry) = pending.first_entry() {
                if frontier.less_than(entry.key()) {
                    break; // An earlier epoch may have more.
                }
                for (key, value) in entry.get_mut().1.drain(..) {
                    fold(state.entry(key.clone()).or_default(), value);
                    if keeps {
                        changed.insert(key);
                    }
                }
                if frontier.less_equal(entry.key()) {
                    break; // This epoch may have more.
                }
                let (capability, _) = entry.remove();
                let mut session = output.session(&capability);
                if keeps {
                    let touched = changed.drain().filter_map(|key| Some(give(&key, state.get_mut(&key)?)));
                    touched.for_each(|given| session.give_iterator(given.into_iter()));
                } else {
                    state.drain().for_each(|(key, mut group)| session.give_iterator(give(&key, &mut group).into_iter()));
                }
            }
        }
    })
}

/// Rows with differential: of each change of a key's difference, one.
pub fn rows_of_changes<'s, K: Clone + 'static, R: Clone + 'static>(
    changes: VecCollection<'s, u64, K, R>,
    row: impl Fn(&K, &R) -> Row + 'static,
) -> VecCollection<'s, u64, Row, isize> {
    changes.inner.map(move |(key, epoch, difference)| (row(&key, &difference), epoch, 1)).as_collection()
}

/// A difference of which the greatest stays. It cannot be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Greatest(pub i64);

impl IsZero for Greatest {
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for Greatest {
    fn plus_equals(&mut self, other: &Self) {
        self.0 = self.0.max(other.0);
    }
}

impl Multiply<isize> for Greatest {
    type Output = Self;
    fn multiply(self, _: &isize) -> Self {
        self
    }
}

/// A difference that is a list of values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Values<T>(pub Vec<T>);

impl<T> IsZero for Values<T> {
    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Clone + Debug> Semigroup for Values<T> {
    fn plus_equals(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }
}

impl<T> Multiply<isize> for Values<T> {
    type Output = Self;
    fn multiply(self, _: &isize) -> Self {
        self
    }
}
