//! The parts that `twopath bench` measures as ratios, one by one under criterion, to follow them over time: `cargo bench -p twopath`.
//! Each checks its answer before it is timed.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use twopath::bench::{Pageviews, Totals, hand_written_loop};
use twopath_base::{PartitionId, Position};
use twopath_events::workloads::built_in;
use twopath_log::{Durability, Log, Topic};
use twopath_query::{Query, parse};
use twopath_speed::{Engine, Logic};
use twopath_view::{GroupTable, Selection, answer};

const EVENTS: u64 = 2_000_000;
const ROWS_PER_APPEND: usize = 16_384;

struct Made {
    dir: tempfile::TempDir,
    pageviews: Pageviews,
    topic: Topic,
    query: Arc<Query>,
    end: Position,
}

fn made() -> Made {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let pageviews = Pageviews::generate(EVENTS, 1, ROWS_PER_APPEND);
    let log = Log::open(dir.path()).expect("a log in the scratch folder");
    let topic = pageviews.log(&log, "pageviews", 2, Durability::None).expect("a topic of two partitions");
    let query = Arc::new(Pageviews::query(&topic));
    let end = topic.end().expect("a readable topic");
    Made { dir, pageviews, topic, query, end }
}

fn replay(made: &Made, workers: usize) -> Vec<Arc<GroupTable>> {
    let from = (0, Position::zero(made.topic.partitions()));
    let view = twopath_speed::replay(&made.topic, made.query.clone(), Logic::Sql, Engine::default(), from, &made.end, workers);
    view.expect("a replay of sound events").generations.into_iter().flat_map(|g| g.tables).collect()
}

fn batch(made: &Made) -> GroupTable {
    twopath_batch::compute(&made.topic, &made.query, &twopath_batch::Logic::Sql, twopath_batch::Engine::Rayon, &made.end)
        .expect("a batch run over sound events")
}

fn totals(made: &Made, tables: &[&GroupTable]) -> Totals {
    Totals::of_answer(&answer(&made.query, tables, &Selection::default()).expect("sums of small integers"))
}

fn layers(c: &mut Criterion) {
    let made = made();
    let right = hand_written_loop(&made.pageviews.columns()).totals();
    for workers in [1, 2] {
        let tables = replay(&made, workers);
        assert_eq!(totals(&made, &tables.iter().map(Arc::as_ref).collect::<Vec<_>>()), right, "replay with {workers} workers");
    }
    assert_eq!(totals(&made, &[&batch(&made)]), right, "batch");

    let mut group = c.benchmark_group("windowed count and sum");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(10);
    let columns = made.pageviews.columns();
    group.bench_function("hand-written loop", |b| b.iter(|| black_box(hand_written_loop(&columns).len())));
    group.bench_function("replay, 1 worker", |b| b.iter(|| replay(&made, 1).len()));
    group.bench_function("replay, 2 workers", |b| b.iter(|| replay(&made, 2).len()));
    group.bench_function("batch", |b| b.iter(|| batch(&made).len()));
    group.finish();
}

fn log(c: &mut Criterion) {
    let made = made();
    let mut group = c.benchmark_group("log");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(10);
    let mut run = 0;
    group.bench_function("append, durability none", |b| {
        b.iter(|| {
            run += 1;
            let home = made.dir.path().join(format!("append-{run}"));
            let log = Log::open(&home).expect("a log in the scratch folder");
            let topic = log.create_topic(Pageviews::topic("pageviews", 1, Durability::None)).expect("a topic");
            let writer = topic.writer().expect("its only writer");
            for batch in &made.pageviews.batches {
                writer.append_to(PartitionId(0), batch, None).expect("an append");
            }
            assert_eq!(topic.end().expect("a readable topic").records(), EVENTS);
            drop(writer);
            std::fs::remove_dir_all(home).expect("the scratch folder can be emptied");
        });
    });
    group.finish();
}

/// From the log to the answer, where more is computed than groups: of the rows that differential keeps, and by the reader, of the groups that timely keeps.
fn joins(c: &mut Criterion) {
    const NEXMARK_EVENTS: usize = 100_000;
    let dir = tempfile::tempdir().expect("a scratch folder");
    let workload = built_in("nexmark", 1).expect("a built-in workload");
    let log = Log::open(dir.path()).expect("a log in the scratch folder");
    let topic = log.create_topic(workload.topic_config(2, Durability::None)).expect("a topic of two partitions");
    let writer = topic.writer().expect("its only writer");
    for from in (0..NEXMARK_EVENTS).step_by(10_000) {
        writer.append(&workload.batch(from as u64, 10_000)).expect("an append");
    }
    let end = topic.end().expect("a readable topic");
    let answered = |query: &Arc<Query>, by: &Query, logic, engine| {
        let from = (0, Position::zero(topic.partitions()));
        let view = twopath_speed::replay(&topic, query.clone(), logic, engine, from, &end, 1).expect("a replay of sound events");
        let tables: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(Arc::as_ref).collect();
        answer(by, &tables, &Selection::default()).expect("an answer to sound events")
    };

    let mut group = c.benchmark_group("NEXMark, 1 worker");
    group.throughput(Throughput::Elements(NEXMARK_EVENTS as u64)).sample_size(10);
    for name in ["q3", "q4", "q9", "q20"] {
        let sql = workload.queries.iter().find(|query| query.name == name).expect("one of NEXMark's").sql(1);
        let query = Arc::new(parse(sql, topic.name(), topic.schema()).expect("a sound query"));
        let rows = query.maintained().expect("a query of which more is computed than groups").rows;
        let kept = || answered(&query, &rows, Logic::Maintained, Engine::Differential);
        let by_reader = || answered(&query, &query, Logic::Sql, Engine::Timely);
        assert_eq!(kept(), by_reader(), "{name}");
        group.bench_function(format!("{name}, rows kept by differential"), |b| b.iter(|| kept().num_rows()));
        group.bench_function(format!("{name}, groups kept by timely"), |b| b.iter(|| by_reader().num_rows()));
    }
    group.finish();
}

criterion_group!(benches, layers, log, joins);
criterion_main!(benches);
