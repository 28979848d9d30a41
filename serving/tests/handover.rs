//! Hand-overs while everything goes on: appends, barriers, both layers' publications and reads race, and no answer has a hole, an
//! overlap, or goes back.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use twopath_base::{Offset, PartitionId, Position};
use twopath_query::{EvalError, Query, parse};
use twopath_serving::{ServingError, Table, Tables};
use twopath_view::{Answer, BatchView, Generation, GroupTable, RealtimeView, Selection};

const PARTITIONS: usize = 2;

fn query(version: i64) -> Arc<Query> {
    let schema = Schema::new(vec![Field::new("v", DataType::Int64, false)]);
    Arc::new(parse(&format!("SELECT COUNT(*) AS n, SUM(v * {version}) AS total FROM t"), "t", &schema).unwrap())
}

/// The record at an offset has this value, so that the sum tells which records an answer is made of.
fn value(partition: PartitionId, offset: u64) -> i64 {
    (offset * 2 + u64::from(partition.0)) as i64
}

/// What both layers would compute over a part of the log.
fn groups(query: &Query, from: &Position, to: &Position) -> Arc<GroupTable> {
    let mut table = GroupTable::new(query);
    for (p, end) in to.iter() {
        let values = Int64Array::from_iter_values((from.get(p).0..end.0).map(|offset| value(p, offset)));
        table.update_from_log(query, &RecordBatch::try_from_iter([("v", Arc::new(values) as _)]).unwrap()).unwrap();
    }
    Arc::new(table)
}

/// The answer says exactly what its position says, and its parts abut. Returns the position.
fn checked(answer: &Answer, version: i64) -> Position {
    let parts = &answer.coverage.parts;
    assert_eq!(parts[0].lower.records(), 0);
    assert!(parts.windows(2).all(|pair| pair[0].upper == pair[1].lower), "{}", answer.coverage);
    let position = answer.coverage.position().unwrap().clone();
    let total: i64 = position.iter().flat_map(|(p, end)| (0..end.0).map(move |offset| value(p, offset))).sum();
    let n = answer.rows.column(0).as_primitive::<Int64Type>().value(0);
    assert_eq!(n as u64, position.records(), "{}", answer.coverage);
    if n > 0 {
        let given = answer.rows.column(1).as_primitive::<Decimal128Type>().value(0);
        assert_eq!(given, i128::from(total * version), "{}", answer.coverage);
    }
    position
}

/// A log of which only positions matter: its end, and its barriers.
#[derive(Default)]
struct Log(Mutex<(u64, Vec<Position>)>);

impl Log {
    /// Partition 1 gets two records to each of partition 0.
    fn position(records: u64) -> Position {
        Position::new(vec![Offset(records), Offset(records * 2)])
    }

    fn append(&self) {
        self.0.lock().unwrap().0 += 1;
    }

    /// A barrier's number and position.
    fn barrier(&self) -> (u64, Position) {
        let mut log = self.0.lock().unwrap();
        let position = Log::position(log.0);
        log.1.push(position.clone());
        (log.1.len() as u64, position)
    }

    /// The generations that a speed layer would have read by now: number, start, end.
    fn generations(&self) -> Vec<(u64, Position, Position)> {
        let log = self.0.lock().unwrap();
        let mut bounds = vec![Position::zero(PARTITIONS)];
        bounds.extend(log.1.iter().cloned());
        bounds.push(Log::position(log.0));
        bounds.windows(2).enumerate().map(|(i, pair)| (i as u64, pair[0].clone(), pair[1].clone())).collect()
    }
}

fn realtime(query: &Query, generations: Vec<(u64, Position, Position)>) -> Arc<RealtimeView> {
    let generation = |(number, lower, upper): (u64, Position, Position)| {
        let tables = vec![groups(query, &lower, &upper)];
        Generation::of(number, (lower, upper), tables)
    };
    Arc::new(RealtimeView { generations: generations.into_iter().map(generation).collect(), published_us: 0, error: None })
}

#[test]
fn appends_barriers_publications_and_reads_race() {
    let query = query(1);
    let observed = Arc::new(AtomicU64::new(0));
    let table = Table::observed(query.clone(), PARTITIONS, {
        let observed = observed.clone();
        move |position| {
            let before = observed.swap(position.records(), Ordering::SeqCst);
            assert!(position.records() >= before, "observed {} after {before}", position.records());
        }
    });
    let (log, dropped, over) = (Log::default(), AtomicU64::new(0), AtomicBool::new(false));
    let moves = [AtomicU32::new(0), AtomicU32::new(0)];
    let mut last = 0;
    table.publish_realtime(realtime(&query, log.generations()));
    thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                log.append();
                thread::yield_now();
            }
        });
        // The speed layer, which hears of dropped generations late.
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let below = dropped.load(Ordering::SeqCst);
                let view = realtime(&query, log.generations().into_iter().filter(|g| g.0 >= below).collect());
                thread::yield_now();
                table.publish_realtime(view);
            }
        });
        // Readers, each of which counts how often it saw answers move on.
        let readers: Vec<_> = moves
            .iter()
            .map(|moved| {
                let (table, over) = (&table, &over);
                threads.spawn(move || {
                    let mut before = Position::zero(PARTITIONS);
                    while !over.load(Ordering::Relaxed) {
                        let position = checked(&table.answer(&Selection::default()).unwrap(), 1);
                        assert!(position.covers(&before), "answers went back from {before} to {position}");
                        moved.fetch_add(u32::from(position != before), Ordering::Relaxed);
                        before = position;
                    }
                })
            })
            .collect();
        // The batch layer; it goes on until every reader had its turn, which a busy machine may put off.
        for version in 1..=100_000 {
            let (barrier, horizon) = log.barrier();
            let view = BatchView {
                version,
                barrier,
                lower: Position::zero(PARTITIONS),
                table: groups(&query, &Position::zero(PARTITIONS), &horizon),
                upper: horizon,
            };
            thread::yield_now();
            table.publish_batch(view);
            dropped.store(barrier, Ordering::SeqCst);
            assert_eq!(table.batch_barrier(), Some(barrier));
            last = version;
            if version >= 40 && moves.iter().all(|m| m.load(Ordering::Relaxed) > 1) || readers.iter().any(|r| r.is_finished()) {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert!(moves.iter().all(|m| m.load(Ordering::Relaxed) > 1), "a reader saw answers move on");
    let coverage = table.coverage().unwrap();
    assert_eq!(coverage.parts[0].source, format!("batch view {last}"));
    assert_eq!(observed.load(Ordering::SeqCst), table.position().unwrap().records());
}

#[test]
fn readers_see_all_of_one_version_or_all_of_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "sums").unwrap();
    let log = Log::default();
    let publish = |version: u64, table: &Table| table.publish_realtime(realtime(&query(version as i64), log.generations()));
    let over = AtomicBool::new(false);
    let first = Arc::new(Table::new(query(3), PARTITIONS));
    tables.deploy(3, "", first.clone()).unwrap();
    log.append();
    publish(3, &first);
    tables.cutover(3).unwrap();
    let second = Arc::new(Table::new(query(4), PARTITIONS));
    tables.deploy(4, "", second.clone()).unwrap();
    publish(4, &second);
    thread::scope(|threads| {
        threads.spawn(|| {
            for _ in 0..200 {
                log.append();
                publish(3, &first);
                publish(4, &second);
            }
            over.store(true, Ordering::Relaxed);
        });
        threads.spawn(|| {
            let mut active = 3;
            while !over.load(Ordering::Relaxed) {
                active = 7 - active;
                if active == 4 { tables.cutover(4).unwrap() } else { assert_eq!(tables.rollback().unwrap(), 3) }
            }
        });
        for _ in 0..2 {
            threads.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let (version, answer) = tables.answer(&Selection::default()).unwrap();
                    checked(&answer, version as i64);
                    // A reader that holds on to a version stays on it.
                    let held = tables.active().unwrap();
                    thread::yield_now();
                    checked(&held.table.answer(&Selection::default()).unwrap(), held.version as i64);
                }
            });
        }
    });
}

#[test]
fn there_is_no_answer_with_a_hole() {
    let query = query(1);
    let table = Table::new(query.clone(), PARTITIONS);
    assert!(matches!(table.answer(&Selection::default()), Err(ServingError::NothingPublished)));

    // A speed layer that starts at a barrier has no answer until the batch view up to it is there.
    let horizon = Log::position(5);
    table.publish_realtime(realtime(&query, vec![(1, horizon.clone(), Log::position(7))]));
    assert!(matches!(table.answer(&Selection::default()), Err(ServingError::HistoryMissing { lower }) if lower == horizon));
    assert_eq!(table.position(), None);
    let groups = groups(&query, &Position::zero(PARTITIONS), &horizon);
    table.publish_batch(BatchView { version: 1, barrier: 1, lower: Position::zero(horizon.partitions()), upper: horizon, table: groups });
    assert_eq!(checked(&table.answer(&Selection::default()).unwrap(), 1), Log::position(7));
}

#[test]
fn a_batch_view_ahead_of_the_speed_layer_answers_alone() {
    let query = query(1);
    let table = Table::new(query.clone(), PARTITIONS);
    table.publish_realtime(realtime(&query, vec![(0, Log::position(0), Log::position(3))]));
    let horizon = Log::position(9);
    let groups = groups(&query, &Position::zero(PARTITIONS), &horizon);
    table.publish_batch(BatchView {
        version: 1,
        barrier: 1,
        lower: Position::zero(horizon.partitions()),
        upper: horizon.clone(),
        table: groups,
    });
    assert_eq!(checked(&table.answer(&Selection::default()).unwrap(), 1), horizon);
    // Still before the barrier: nothing of it counts.
    table.publish_realtime(realtime(&query, vec![(0, Log::position(0), Log::position(6))]));
    assert_eq!(checked(&table.answer(&Selection::default()).unwrap(), 1), horizon);
    assert_eq!(table.bytes().realtime, 0);
}

#[test]
#[should_panic(expected = "a hole or an overlap")]
fn views_that_do_not_abut_are_a_bug() {
    let query = query(1);
    let table = Table::new(query.clone(), PARTITIONS);
    let horizon = Log::position(5);
    let groups = groups(&query, &Position::zero(PARTITIONS), &horizon);
    table.publish_batch(BatchView { version: 1, barrier: 1, lower: Position::zero(horizon.partitions()), upper: horizon, table: groups });
    table.publish_realtime(realtime(&query, vec![(1, Log::position(6), Log::position(7))]));
}

#[test]
fn an_error_in_the_view_is_the_answer() {
    let query = query(1);
    let table = Table::new(query.clone(), PARTITIONS);
    let mut view = Arc::unwrap_or_clone(realtime(&query, vec![(0, Log::position(0), Log::position(3))]));
    view.error = Some(EvalError::DivisionByZero);
    table.publish_realtime(Arc::new(view));
    let error = table.answer(&Selection::default()).err().unwrap();
    assert!(error.to_string().starts_with("division by zero"), "{error}");
    let error = table.answer(&Selection { key: Some(vec![twopath_query::Value::Int(1)]), ..Selection::default() }).err().unwrap();
    assert!(matches!(error, ServingError::KeyLength { given: 1, wanted: 0, .. }), "{error}");
}
