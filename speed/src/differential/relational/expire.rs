//! Rows that are let go once nothing that is still to come can have to do with them.

use std::collections::{BTreeMap, HashMap};

use differential_dataflow::collection::AsCollection;
use differential_dataflow::difference::{IsZero, Semigroup};
use differential_dataflow::operators::CountTotal;
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator as _;
use timely::dataflow::operators::vec::{Broadcast, Map};

use super::Operator;
use super::collection::{Collection, Errors, Tuple};
use super::key::Key;
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

/// Rows until a watermark is so much after their event times. Whoever takes them in takes in everything of an epoch before they are let go in the next one.
pub struct Expire {
    /// Of the event time.
    pub time: usize,
    pub after_us: i64,
    pub by: Watermark,
}

/// How far event time has come for good.
#[derive(Debug, Clone, Copy)]
pub enum Watermark {
    /// As the one row says that there is. It does not go back here.
    OfPlan,
    /// As the partitions of this topic, of which each row says how far it is, say together: the least of them, less the delay within which records come.
    OfTopic { topic: usize, delay_us: i64 },
}

impl Expire {
    /// `moments` are what the watermark goes by, and `partitions` how many each of the topics has: before each of them has spoken nothing is let go.
    pub fn over<'s>(&self, rows: Collection<'s>, moments: Collection<'s>, partitions: &[usize]) -> Collection<'s> {
        let (delay_us, partitions) = match self.by {
            Watermark::OfPlan => (0, 1),
            Watermark::OfTopic { topic, delay_us } => (delay_us, partitions[topic]),
        };
        let mut standing = Standing { after_us: self.after_us, delay_us, partitions, ..Standing::default() };
        let time = self.time;
        let mut pending: BTreeMap<u64, (Capability<u64>, Changes)> = BTreeMap::new();
        type Builder = CapacityContainerBuilder<Vec<(Tuple, u64, isize)>>;
        let moments = moments.inner.broadcast();
        let standing_rows = rows.inner.binary_frontier::<_, Builder, _, _, _, _>(moments, Pipeline, Pipeline, "Expire", move |_, _| {
            move |(rows, of_rows), (moments, of_moments), output| {
                rows.for_each(|capability, data| {
                    let mut session = output.session(&capability);
                    for (row, epoch, n) in data.drain(..) {
                        // A row without an event time is no pair of any other.
                        if let Datum::Timestamp(at) = row[time] {
                            let held = || (capability.delayed(&(epoch + 1), 0), Changes::default());
                            pending.entry(epoch).or_insert_with(held).1.rows.push((at, row.clone(), n));
                            session.give((row, epoch, n));
                        }
                    }
                });
                moments.for_each(|capability, data| {
                    for (row, epoch, _) in data.drain(..).filter(|(_, _, n)| *n > 0) {
                        let moment = match row[..] {
                            [Datum::Timestamp(at)] => Some((0, at)),
                            [Datum::Int(partition), Datum::Timestamp(at)] => Some((partition, at)),
                            _ => None,
                        };
                        if let Some((partition, at)) = moment {
                            let held = || (capability.delayed(&(epoch + 1), 0), Changes::default());
                            pending.entry(epoch).or_insert_with(held).1.furthest.push((partition, at));
                        }
                    }
                });
                while let Some(entry) = pending.first_entry() {
                    if of_rows.less_equal(entry.key()) || of_moments.less_equal(entry.key()) {
                        break;
                    }
                    let (epoch, (capability, changes)) = entry.remove_entry();
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
    furthest: Vec<(i64, i64)>,
}

/// Rows that have not been let go, by event time, and how far each partition of the topic that counts is.
#[derive(Default)]
struct Standing {
    after_us: i64,
    delay_us: i64,
    partitions: usize,
    rows: BTreeMap<i64, Vec<(Tuple, isize)>>,
    furthest: HashMap<i64, i64>,
}

impl Standing {
    /// Lets go of what the end of an epoch lets go of.
    fn take(&mut self, changes: Changes, mut let_go: impl FnMut(Tuple, isize)) {
        for (at, row, n) in changes.rows {
            self.rows.entry(at).or_default().push((row, n));
        }
        for (partition, at) in changes.furthest {
            let known = self.furthest.entry(partition).or_insert(at);
            *known = at.max(*known);
        }
        if self.furthest.len() < self.partitions {
            return;
        }
        let Some(&least) = self.furthest.values().min() else { return };
        let watermark = i128::from(least) - i128::from(self.delay_us);
        while let Some(oldest) = self.rows.first_entry() {
            if i128::from(*oldest.key()) + i128::from(self.after_us) >= watermark {
                break;
            }
            oldest.remove().into_iter().for_each(|(row, n)| let_go(row, n));
        }
    }
}

/// What comes, and nothing that goes: of rows that are let go only because nothing more comes of them. Where both sides of a pair go one after the other, a join gives it and takes it at one time:
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

    #[test]
    fn rows_go_when_the_slowest_partition_has_passed_them() {
        let mut standing = Standing { after_us: 10, delay_us: 2, partitions: 2, ..Standing::default() };
        let mut take = |rows: &[i64], furthest: &[(i64, i64)]| {
            let row = |&at: &i64| (at, Tuple::from([Datum::Int(at)]), 1);
            let mut gone = Vec::new();
            let changes = Changes { rows: rows.iter().map(row).collect(), furthest: furthest.to_vec() };
            standing.take(changes, |row, _| gone.push(row[0].clone()));
            gone
        };
        let of = |all: &[i64]| all.iter().map(|&at| Datum::Int(at)).collect::<Vec<_>>();
        assert_eq!(take(&[1, 5, 9], &[(0, 100)]), of(&[]), "the other one has not spoken");
        assert_eq!(take(&[], &[(1, 13)]), of(&[]), "1 can be found by 11");
        assert_eq!(take(&[], &[(1, 14)]), of(&[1]));
        assert_eq!(take(&[3], &[(1, 12)]), of(&[]), "a partition does not go back");
        assert_eq!(take(&[2], &[(1, 18)]), of(&[2, 3, 5]));
        assert_eq!(take(&[], &[(1, 1_000)]), of(&[9]));
        assert_eq!(take(&[7], &[]), of(&[7]), "what comes when it is past goes in the next epoch");
    }
}
