//! The large aggregation: windowed count and sum of pageviews, by the stream, the batch layer, plain polars and a hand-written loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use twopath_base::{PartitionId, Position};
use twopath_log::{Durability, Log, Topic};
use twopath_query::{Query, parse};
use twopath_view::{GroupTable, Selection, answer};

use super::events::{Pageviews, Totals, hand_written_loop};
use super::{BenchError, Ratio, Setting, Size, joined, side_by_side, speed_ratio, timed};

/// The speed layer with one worker from the log, against a competent single-threaded program over columns in memory.
pub fn speed_against_loop(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let made = Pageviews::generate(size.events, 1, 65_536);
    let topic = made.log(&Log::open(dir)?, "pageviews", 1, Durability::None)?;
    let query = Arc::new(Pageviews::query(&topic));
    let columns = made.columns();
    drop(made);
    let end = topic.end()?;
    let pairs = side_by_side(
        size.rounds,
        |_| {
            let start = Instant::now();
            let tables = replay(&topic, &query, &end, 1)?;
            let took = start.elapsed();
            agree("speed", &totals_of(&query, &tables)?, &hand_written_loop(&columns).totals())?;
            Ok::<_, BenchError>(took)
        },
        |_| {
            let (groups, took) = timed(|| hand_written_loop(&columns));
            std::hint::black_box(groups.len());
            Ok(took)
        },
    )?;
    Ok(vec![speed_ratio(
        "speed",
        "speed layer, 1 worker, windowed count and sum of pageviews from the log, against a hand-written single-threaded loop over the same columns in memory",
        0.6,
        0.9,
        &pairs,
        size.events as f64 / 1e6,
        "million events/s",
    )])
}

/// Replay with two workers against the batch layer, and the batch layer against plain polars, over one log of two partitions.
pub fn replay_batch_and_polars(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let made = Pageviews::generate(size.events, 1, 65_536);
    let topic = made.log(&Log::open(dir)?, "pageviews", 2, Durability::None)?;
    drop(made);
    let query = Arc::new(Pageviews::query(&topic));
    let end = topic.end()?;
    let expected = totals_of(
        &query,
        &[Arc::new(twopath_batch::compute(&topic, &query, &twopath_batch::Logic::Sql, twopath_batch::Engine::Rayon, &end)?)],
    )?;

    let sealed = sealed_files(&topic)?;
    let plain = Pageviews::plain_query();

    let batch = |_| {
        let start = Instant::now();
        let table = twopath_batch::compute(&topic, &query, &twopath_batch::Logic::Sql, twopath_batch::Engine::Rayon, &end)?;
        let took = start.elapsed();
        agree("batch", &totals_of(&query, &[Arc::new(table)])?, &expected)?;
        Ok::<_, BenchError>(took)
    };
    let against_batch = side_by_side(
        size.rounds,
        |_| {
            let start = Instant::now();
            let tables = replay(&topic, &query, &end, 2)?;
            let took = start.elapsed();
            agree("replay", &totals_of(&query, &tables)?, &expected)?;
            Ok::<_, BenchError>(took)
        },
        batch,
    )?;
    let against_polars = side_by_side(size.rounds, batch, |_| {
        let start = Instant::now();
        let groups = twopath_batch::plain::plain_polars(&sealed, &plain)?;
        let took = start.elapsed();
        agree("plain polars", &Totals::of_rows(&groups.rows()?), &expected)?;
        Ok(took)
    })?;
    let millions = size.events as f64 / 1e6;
    Ok(vec![
        speed_ratio(
            "replay",
            "replay, 2 workers, same query, against the batch layer on the same log",
            1.0,
            2.0,
            &against_batch,
            millions,
            "million events/s",
        ),
        speed_ratio(
            "batch",
            "batch layer, same query, against plain polars over the same Arrow files",
            1.0,
            2.0,
            &against_polars,
            millions,
            "million events/s",
        ),
    ])
}

/// Appending and replaying one log, per event, against doing so with ten logs of a tenth of the events each. Both sides write as many
/// bytes before any is deleted: on a virtual machine, memory that was not used lately comes from the host and is dearer, which would
/// count against a large log if it were compared with one small one.
pub fn scale(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    const PARTS: u64 = 10;
    let events = size.events * 5;
    let mut rounds = Vec::new();
    let mut detail = Vec::new();
    for round in 0..if size.quick { 1 } else { 3 } {
        let parts = || Rates::of(dir, events / PARTS, PARTS);
        let whole = || Rates::of(dir, events, 1);
        let (small, large) = if round % 2 == 0 {
            let small = parts()?;
            (small, whole()?)
        } else {
            let large = whole()?;
            (parts()?, large)
        };
        rounds.push(large.both() / small.both());
        detail.push(format!(
            "append {:.1} against {:.1}, replay {:.1} against {:.1} million events/s",
            large.append, small.append, large.replay, small.replay
        ));
    }
    let what = format!(
        "events per second (append and replay) at {} million events, against at {} million",
        events as f64 / 1e6,
        (events / PARTS) as f64 / 1e6
    );
    Ok(vec![Ratio::of("scale", what, 0.9, 1.0, rounds, detail.join("; "))])
}

/// Million events per second.
struct Rates {
    append: f64,
    replay: f64,
}

impl Rates {
    /// Appends `events` to each of `logs` logs, and replays one after the other.
    fn of(dir: &Path, events: u64, logs: u64) -> Result<Rates, BenchError> {
        let dir = dir.join(format!("scale-{logs}"));
        let (mut appending, mut replaying) = (Duration::ZERO, Duration::ZERO);
        let mut topics = Vec::new();
        for number in 0..logs {
            let log = Log::open(&dir.join(number.to_string()))?;
            let topic = log.create_topic(Pageviews::topic("pageviews", 2, Durability::None))?;
            let writer = topic.writer()?;
            // Generating is not timed; the events are made in pieces so that 100 million need not fit in memory twice.
            for batch in Pageviews::stream(events, 1, 65_536) {
                let start = Instant::now();
                writer.append(&batch)?;
                appending += start.elapsed();
            }
            writer.close()?;
            topics.push(topic);
        }
        for topic in &topics {
            let query = Arc::new(Pageviews::query(topic));
            let end = topic.end()?;
            let (tables, took) = timed(|| replay(topic, &query, &end, 2));
            replaying += took;
            let counted = totals_of(&query, &tables?)?.count;
            if counted != events as i64 {
                return Err(BenchError::Answers { bench: "scale", left: counted.to_string(), right: events.to_string() });
            }
        }
        std::fs::remove_dir_all(dir)?;
        let rate = |took: Duration| (events * logs) as f64 / took.as_secs_f64() / 1e6;
        Ok(Rates { append: rate(appending), replay: rate(replaying) })
    }

    /// Of appending and then replaying.
    fn both(&self) -> f64 {
        1.0 / (1.0 / self.append + 1.0 / self.replay)
    }
}

/// A window of a minute that begins every second against one that begins every minute, from the log to all of its answer.
pub fn hop_against_tumble(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let made = Pageviews::generate(size.events, 1, 65_536);
    let topic = made.log(&Log::open(dir)?, "pageviews", 1, Durability::None)?;
    drop(made);
    let end = topic.end()?;
    let query = |windows: &str| {
        let sql = format!(
            "SELECT window_start, url % 100 AS site, COUNT(*) AS views, SUM(duration_ms) AS duration_ms FROM {windows} GROUP BY window_start, url % 100"
        );
        Arc::new(parse(&sql, "pageviews", topic.schema()).expect("the bench's own query is valid"))
    };
    let hop = query("HOP(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' SECOND, INTERVAL '1' MINUTE)");
    let tumble = query("TUMBLE(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' MINUTE)");
    // Each event is in one window of the one, and in sixty of the other.
    let run = |query: &Arc<Query>, windows: i64| {
        let start = Instant::now();
        let totals = totals_of(query, &replay(&topic, query, &end, 1)?)?;
        let took = start.elapsed();
        super::same("hop", totals.count as u64, size.events * windows as u64).map(|()| took)
    };
    let pairs = side_by_side(size.rounds, |_| run(&hop, 60), |_| run(&tumble, 1))?;
    Ok(vec![speed_ratio(
        "hop",
        "hopping window of 60 panes, 1 worker, from the log to all of its answer, against a tumbling window of the same size",
        0.3,
        0.7,
        &pairs,
        size.events as f64 / 1e6,
        "million events/s",
    )])
}

/// The large aggregation over two partitions with two workers against one.
pub fn two_workers_against_one(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let made = Pageviews::generate(size.events, 1, 65_536);
    let topic = made.log(&Log::open(dir)?, "pageviews", 2, Durability::None)?;
    drop(made);
    let query = Arc::new(Pageviews::query(&topic));
    let end = topic.end()?;
    let expected = totals_of(&query, &replay(&topic, &query, &end, 1)?)?;
    let run = |workers: usize| {
        let start = Instant::now();
        let tables = replay(&topic, &query, &end, workers)?;
        let took = start.elapsed();
        agree("workers", &totals_of(&query, &tables)?, &expected).map(|()| took)
    };
    let workers = side_by_side(size.rounds, |_| run(2), |_| run(1))?;
    let apart = apart(dir, size)?;
    let million = size.events as f64 / 1e6;
    Ok(vec![
        speed_ratio(
            "workers",
            "replay of the same query over two partitions, 2 workers against 1",
            1.6,
            1.9,
            &workers,
            million,
            "million events/s",
        ),
        speed_ratio(
            "workers_apart",
            "two replays of half of the events each, 1 worker each, at once against in turn: what the machine gives two that share nothing",
            1.0,
            2.0,
            &apart,
            million,
            "million events/s",
        ),
    ])
}

/// The control of [`two_workers_against_one`]: jobs that hand each other nothing, and so run at once as fast as two of this machine's cores let them.
fn apart(dir: &Path, size: Size) -> Result<Vec<(f64, f64)>, BenchError> {
    let log = Log::open(&dir.join("apart"))?;
    let half = |seed: u64| {
        let topic = Pageviews::generate(size.events / 2, seed, 65_536).log(&log, &format!("pageviews{seed}"), 1, Durability::None)?;
        let (query, end) = (Arc::new(Pageviews::query(&topic)), topic.end()?);
        let expected = totals_of(&query, &replay(&topic, &query, &end, 1)?)?;
        Ok::<_, BenchError>((topic, query, end, expected))
    };
    let (first, second) = (half(1)?, half(2)?);
    let replayed = |(topic, query, end, _): &(Topic, Arc<Query>, Position, Totals)| replay(topic, query, end, 1);
    let told = |start: Instant, tables: [Result<Vec<Arc<GroupTable>>, BenchError>; 2]| {
        let took = start.elapsed();
        for (tables, (_, query, _, expected)) in tables.into_iter().zip([&first, &second]) {
            agree("workers_apart", &totals_of(query, &tables?)?, expected)?;
        }
        Ok(took)
    };
    let at_once = |_| {
        let start = Instant::now();
        let tables = std::thread::scope(|scope| {
            let beside = scope.spawn(|| replayed(&first));
            let second = replayed(&second);
            [joined(beside), second]
        });
        told(start, tables)
    };
    let in_turn = |_| {
        let start = Instant::now();
        told(start, [replayed(&first), replayed(&second)])
    };
    side_by_side(size.rounds, at_once, in_turn)
}

fn sealed_files(topic: &Topic) -> Result<Vec<PathBuf>, BenchError> {
    let mut files = Vec::new();
    for p in 0..topic.partitions() {
        files.extend(topic.local()?.segments(PartitionId(p as u32))?.into_iter().filter(|s| s.sealed).map(|s| s.path));
    }
    Ok(files)
}

fn replay(topic: &Topic, query: &Arc<Query>, end: &Position, workers: usize) -> Result<Vec<Arc<GroupTable>>, BenchError> {
    let from = (0, Position::zero(topic.partitions()));
    let view =
        twopath_speed::replay(topic, query.clone(), twopath_speed::Logic::Sql, twopath_speed::Engine::default(), from, end, workers)?;
    Ok(view.generations.into_iter().flat_map(|g| g.tables).collect())
}

/// The whole answer boiled down to three numbers that any slip would change.
fn totals_of(query: &Query, tables: &[Arc<GroupTable>]) -> Result<Totals, BenchError> {
    let parts: Vec<&GroupTable> = tables.iter().map(Arc::as_ref).collect();
    let rows = answer(query, &parts, &Selection::default()).expect("counts and sums of small integers raise no error");
    Ok(Totals::of_answer(&rows))
}

fn agree(bench: &'static str, left: &Totals, right: &Totals) -> Result<(), BenchError> {
    if left == right {
        return Ok(());
    }
    Err(BenchError::Answers { bench, left: format!("{left:?}"), right: format!("{right:?}") })
}
