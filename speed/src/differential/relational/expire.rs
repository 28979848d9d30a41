//! Rows that are let go once nothing that is still to come can have to do with them.

use std::collections::{BTreeMap, HashMap};

use differential_dataflow::collection::AsCollection;
use differential_dataflow::difference::{IsZero, Semigroup};
use differential_dataflow::operators::CountTotal;
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::generic::Operator as _;
use timely::dataflow::operators::vec::{Broadcast, Map};

use super::Operator;
use super::collection::{Collection, Errors, Tuple, reduced};
use super::key::Key;
use super::pending::Pending;
use crate::differential::datum::Datum;

/// Of rows that only come, by key: the greatest value of each of their columns. Of all that was ever said of a key no more is kept than that.
pub struct Greatest {
    pub key: Vec<usize>,
}

/// Values of which the greatest stay, NULL where there was none. They cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct GreatestOf(Tuple);

impl IsZero for GreatestOf {
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for GreatestOf {
    fn plus_equals(&mut self, other: &Self) {
        let greater =
            |(mine, other): (&Datum, &Datum)| if mine.is_null() || other > mine && !other.is_null() { other } else { mine }.clone();
        self.0 = self.0.iter().zip(other.0.iter()).map(greater).collect();
    }
}

impl Operator for Greatest {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        let columns = self.key.clone();
        let keyed = inputs.remove(0).inner.map(move |(row, epoch, _): (Tuple, u64, isize)| {
            let key: Key = columns.iter().map(|&column| row[column].clone()).collect();
            (key, epoch, GreatestOf(row))
        });
        keyed.as_collection().count_total().map(|(_, greatest)| greatest.0)
    }
}

/// Rows until each of some watermarks is so much after their event times. Whoever takes them in takes in everything of an epoch before they are let go in the next one.
pub struct Expire {
    /// Of the event time.
    pub time: usize,
    pub until: Vec<Until>,
}

/// Until a watermark is so much after a row's event time.
#[derive(Debug, Clone, Copy)]
pub struct Until {
    pub by: Watermark,
    pub after_us: i64,
}

/// How far event time has come for good.
#[derive(Debug, Clone, Copy)]
pub enum Watermark {
    /// As the one row says that there is. It does not go back here.
    OfPlan,
    /// As the partitions of this topic, of which each row says how far it is, say together: the least of them, less the delay within which records come.
    OfTopic { topic: usize, delay_us: i64 },
}

/// The event time of a row without one is before all others: no row is paired with it, and no window has it.
fn event_time(row: &Tuple, column: usize) -> i64 {
    if let Datum::Timestamp(at) = row[column] { at } else { i64::MIN }
}

/// What watermarks go by: the number of the watermark, a partition, and how far that is.
type Moments<'s> = Stream<'s, u64, Vec<((usize, i64, i64), u64, isize)>>;

/// The rows of these collections, by number, each for every worker.
fn moments_of<'s>(moments: Vec<Collection<'s>>) -> Moments<'s> {
    let moment = |number: usize, row: &Tuple| match row[..] {
        [Datum::Timestamp(at)] => Some((number, 0, at)),
        [Datum::Int(partition), Datum::Timestamp(at)] => Some((number, partition, at)),
        _ => None,
    };
    let numbered = |(number, rows): (usize, Collection<'s>)| {
        rows.inner.flat_map(move |(row, epoch, n)| moment(number, &row).filter(|_| n > 0).map(|moment| (moment, epoch, n)))
    };
    let all = moments.into_iter().enumerate().map(numbered).reduce(|all, more| all.concat(more));
    all.expect("rows are let go by a watermark").broadcast()
}

impl Expire {
    /// `moments` are what each of the watermarks goes by, and `partitions` how many each of the topics has: before each of them has spoken nothing is let go.
    pub fn over<'s>(&self, rows: Collection<'s>, moments: Vec<Collection<'s>>, partitions: &[usize]) -> Collection<'s> {
        let mut standing = Standing { rows: BTreeMap::new(), until: Furthest::of(&self.until, partitions) };
        let time = self.time;
        let mut pending: Pending<Changes> = Pending::new();
        type Builder = CapacityContainerBuilder<Vec<(Tuple, u64, isize)>>;
        let moments = moments_of(moments);
        let standing_rows = rows.inner.binary_frontier::<_, Builder, _, _, _, _>(moments, Pipeline, Pipeline, "Expire", move |_, _| {
            move |(rows, of_rows), (moments, of_moments), output| {
                rows.for_each(|capability, data| {
                    let mut session = output.session(&capability);
                    for (row, epoch, n) in data.drain(..) {
                        pending.of(epoch, &capability, epoch + 1).rows.push((event_time(&row, time), row.clone(), n));
                        session.give((row, epoch, n));
                    }
                });
                moments.for_each(|capability, data| {
                    for (moment, epoch, _) in data.drain(..) {
                        pending.of(epoch, &capability, epoch + 1).furthest.push(moment);
                    }
                });
                while let Some((epoch, capability, changes)) = pending.complete([of_rows, of_moments]) {
                    let mut session = output.session(&capability);
                    standing.take(changes, |row, n| session.give((row, epoch + 1, -n)));
                }
            }
        });
        standing_rows.as_collection()
    }
}

/// Of one epoch.
#[derive(Default)]
struct Changes {
    rows: Vec<(i64, Tuple, isize)>,
    furthest: Vec<(usize, i64, i64)>,
}

/// Rows that have not been let go, by event time.
struct Standing {
    rows: BTreeMap<i64, Vec<(Tuple, isize)>>,
    until: Furthest,
}

impl Standing {
    /// Lets go of what the end of an epoch lets go of.
    fn take(&mut self, changes: Changes, mut let_go: impl FnMut(Tuple, isize)) {
        for (at, row, n) in changes.rows {
            self.rows.entry(at).or_default().push((row, n));
        }
        changes.furthest.into_iter().for_each(|moment| self.until.take(moment));
        let Some(limit) = self.until.limit() else { return };
        while let Some(oldest) = self.rows.first_entry() {
            if i128::from(*oldest.key()) >= limit {
                break;
            }
            oldest.remove().into_iter().for_each(|(row, n)| let_go(row, n));
        }
    }
}

/// How far each partition of the topics that count is.
struct Furthest {
    until: Vec<(Until, usize, HashMap<i64, i64>)>,
}

impl Furthest {
    fn of(until: &[Until], partitions: &[usize]) -> Furthest {
        let of = |until: &Until| match until.by {
            Watermark::OfPlan => 1,
            Watermark::OfTopic { topic, .. } => partitions[topic],
        };
        Furthest { until: until.iter().map(|until| (*until, of(until), HashMap::new())).collect() }
    }

    fn take(&mut self, (number, partition, at): (usize, i64, i64)) {
        let known = self.until[number].2.entry(partition).or_insert(at);
        *known = at.max(*known);
    }

    /// Rows with event times before this have stood for as long as they have to; `None` before each partition has spoken.
    fn limit(&self) -> Option<i128> {
        let limit = |(until, partitions, furthest): &(Until, usize, HashMap<i64, i64>)| {
            let least = furthest.values().min().filter(|_| furthest.len() >= *partitions)?;
            let delay_us = if let Watermark::OfTopic { delay_us, .. } = until.by { delay_us } else { 0 };
            Some(i128::from(*least) - i128::from(delay_us) - i128::from(until.after_us))
        };
        self.until.iter().map(limit).collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

/// Of rows of an outer join those that have found no other, as they come and as they find one; that they are let go changes nothing. They are told by what ever came and what of that was ever found.
pub struct Alone {
    /// Of the side: near the event time.
    pub near: usize,
    /// When a row finds no other any more.
    pub settled: Until,
}

impl Alone {
    /// Of rows that only come, and those of them that have been found, which only come, too. Where `restored`, the first epoch has what was kept before: of what was settled by then it is known
    /// no more what was found.
    pub fn over<'s>(
        &self,
        (came, found): (Collection<'s>, Collection<'s>),
        moments: Collection<'s>,
        partitions: &[usize],
        restored: bool,
    ) -> Collection<'s> {
        let alone = came.concat(found.negate()).consolidate();
        if !restored {
            return alone;
        }
        let mut settled = Furthest::of(&[self.settled], partitions);
        let near = self.near;
        let mut kept: Pending<Vec<(Tuple, isize)>> = Pending::new();
        type Builder = CapacityContainerBuilder<Vec<(Tuple, u64, isize)>>;
        let moments = moments_of(vec![moments]);
        let unsettled = alone.inner.binary_frontier::<_, Builder, _, _, _, _>(moments, Pipeline, Pipeline, "Unsettled", move |_, _| {
            move |(rows, of_rows), (moments, of_moments), output| {
                rows.for_each(|capability, data| {
                    for (row, epoch, n) in data.drain(..) {
                        match epoch {
                            0 => kept.of(0, &capability, 0).push((row, n)),
                            _ => output.session(&capability).give((row, epoch, n)),
                        }
                    }
                });
                moments
                    .for_each(|_, data| data.drain(..).filter(|(_, epoch, _)| *epoch == 0).for_each(|(moment, ..)| settled.take(moment)));
                if let Some((_, capability, rows)) = kept.complete([of_rows, of_moments]) {
                    let limit = settled.limit();
                    let is_settled = |row: &Tuple| limit.is_some_and(|limit| i128::from(event_time(row, near)) < limit);
                    let unsettled = rows.into_iter().filter(|(row, _)| !is_settled(row));
                    output.session(&capability).give_iterator(unsettled.map(|(row, n)| (row, 0, n)));
                }
            }
        });
        unsettled.as_collection()
    }
}

/// The least of several collections of one value each, once none of them is NULL.
pub struct Least;

impl Operator for Least {
    fn over<'s>(&self, inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        let count = inputs.len();
        let numbered = inputs
            .into_iter()
            .enumerate()
            .map(|(number, rows)| rows.map(move |row| (Key::from_iter([]), Tuple::from([row[0].clone(), Datum::Int(number as i64)]))));
        let all = numbered.reduce(|all, more| all.concat(more)).expect("rows are passed by something");
        let least = reduced(all.arrange_by_key(), "Least", move |_, values: &[(&Tuple, isize)], output: &mut Vec<(Tuple, isize)>| {
            let known = values.iter().map(|(row, _)| &row[0]).filter(|value| !value.is_null());
            if known.clone().count() == count {
                output.extend(known.min().map(|least| (Tuple::from([least.clone()]), 1)));
            }
        });
        least.as_collection(|_, row| row.clone())
    }
}

/// Rows that come for good, for those who look at what comes at one time: each goes again with the next epoch.
pub struct Pulse;

impl Operator for Pulse {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        let rows = inputs.remove(0);
        rows.clone().concat(rows.negate().delay(|epoch| epoch + 1))
    }
}

/// What comes, and nothing that goes: of rows that go only because they are let go. Where both sides of a pair go one after the other, a join gives it and takes it at one time:
/// that is nothing.
pub struct Grown;

impl Operator for Grown {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        use timely::dataflow::operators::vec::Filter;
        inputs.remove(0).consolidate().inner.filter(|(_, _, n)| *n > 0).as_collection()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(after_us: i64, topic: usize, delay_us: i64) -> Until {
        Until { by: Watermark::OfTopic { topic, delay_us }, after_us }
    }

    /// What each epoch lets go of: its rows, and the moments that it has.
    fn gone(standing: &mut Standing, rows: &[i64], furthest: &[(usize, i64, i64)]) -> Vec<i64> {
        let row = |&at: &i64| (at, Tuple::from([Datum::Int(at)]), 1);
        let mut gone = Vec::new();
        let changes = Changes { rows: rows.iter().map(row).collect(), furthest: furthest.to_vec() };
        standing.take(changes, |row, _| {
            if let Datum::Int(at) = row[0] {
                gone.push(at)
            }
        });
        gone
    }

    #[test]
    fn rows_go_when_the_slowest_partition_has_passed_them() {
        let mut standing = Standing { rows: BTreeMap::new(), until: Furthest::of(&[until(10, 0, 2)], &[2]) };
        let mut take = |rows: &[i64], furthest: &[(usize, i64, i64)]| gone(&mut standing, rows, furthest);
        assert_eq!(take(&[1, 5, 9], &[(0, 0, 100)]), [0; 0], "the other one has not spoken");
        assert_eq!(take(&[], &[(0, 1, 13)]), [0; 0], "1 can be found by 11");
        assert_eq!(take(&[], &[(0, 1, 14)]), [1]);
        assert_eq!(take(&[3], &[(0, 1, 12)]), [0; 0], "a partition does not go back");
        assert_eq!(take(&[2], &[(0, 1, 18)]), [2, 3, 5]);
        assert_eq!(take(&[], &[(0, 1, 1_000)]), [9]);
        assert_eq!(take(&[7], &[]), [7], "what comes when it is past goes in the next epoch");
    }

    #[test]
    fn rows_stay_until_both_watermarks_have_passed_them() {
        let both = [until(10, 0, 0), until(-5, 1, 0)];
        let mut standing = Standing { rows: BTreeMap::new(), until: Furthest::of(&both, &[1, 1]) };
        let mut take = |furthest: &[(usize, i64, i64)]| gone(&mut standing, &[], furthest);
        assert_eq!(take(&[(0, 0, 500)]), [0; 0]);
        assert_eq!(gone(&mut standing, &[1, 20, 30, 40], &[(1, 0, 16)]), [1, 20]);
        assert_eq!(gone(&mut standing, &[i64::MIN], &[]), [i64::MIN], "without an event time");
        assert_eq!(gone(&mut standing, &[], &[(1, 0, 1_000)]), [30, 40]);
    }
}
