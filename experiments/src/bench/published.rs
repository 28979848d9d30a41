//! Published benchmarks (NEXMark and the Yahoo streaming benchmark) by the stream with one worker, from the log, against what a competent programmer writes
//! for the one query: single-threaded, over columns in memory.
//!
//! A query that only filters and computes is a feed, from one topic into another; its loop writes an Arrow file. All others are a replay and its answer; their loops only add
//! up what the answer has, and need not put rows out.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::DataType;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use twopath_base::{Offset, PartitionId, Position};
use twopath_events::workloads::{Workload, built_in};
use twopath_log::{Durability, Entry, Log, Start, Topic, TopicConfig};
use twopath_query::{Query, parse};
use twopath_speed::{Backend, Engine, Feed, FeedQuery, Logic, Until, run_feed};
use twopath_view::{GroupTable, Selection, answer};

use super::{BenchError, Ratio, Setting, side_by_side, speed_ratio};

const SECOND_US: i64 = 1_000_000;
const ROWS_PER_APPEND: usize = 16_384;
const ONLY: PartitionId = PartitionId(0);
const BID: i64 = 2;

/// An answer boiled down to figures that any slip would change.
#[derive(Debug, Default, PartialEq, Eq)]
struct Digest {
    rows: u64,
    /// Of whole numbers, decimals without their point, and microseconds, those of the second such column twice, and so on.
    sum: i128,
    text_bytes: u64,
}

type Groups<K> = HashMap<K, i64, FixedState>;

/// Events of a workload, in memory and in a topic.
struct Made {
    workload: Workload,
    batches: Vec<RecordBatch>,
    log: Log,
    topic: Topic,
    events: u64,
}

/// q1 and q2 as feeds; q5, q7 and q8 replayed and answered; and views by campaign.
pub fn against_loops(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let made = Made::new(&dir.join("nexmark"), "nexmark", size.events / 10)?;
    let mut rows = vec![
        made.feed("nexmark_q1", "q1", size.rounds, q1)?,
        made.feed("nexmark_q2", "q2", size.rounds, q2)?,
        made.replay("nexmark_q5", "q5", size.rounds, q5)?,
        made.replay("nexmark_q7", "q7", size.rounds, q7)?,
        made.replay("nexmark_q8", "q8", size.rounds, q8)?,
    ];
    drop(made);
    let made = Made::new(&dir.join("ysb"), "ysb", size.events / 4)?;
    rows.push(made.replay("ysb", "views_by_campaign", size.rounds, views_by_campaign)?);
    Ok(rows)
}

impl Made {
    fn new(dir: &Path, name: &str, events: u64) -> Result<Made, BenchError> {
        let workload = built_in(name, 1).expect("a built-in workload");
        let part = |from: u64| workload.batch(from, ROWS_PER_APPEND.min((events - from) as usize));
        let batches: Vec<RecordBatch> = (0..events).step_by(ROWS_PER_APPEND).map(part).collect();
        let log = Log::open(dir)?;
        let topic = log.create_topic(workload.topic_config(1, Durability::None))?;
        let writer = topic.writer()?;
        for batch in &batches {
            writer.append(batch)?;
        }
        writer.close()?;
        Ok(Made { workload, batches, log, topic, events })
    }

    fn query(&self, name: &str) -> Query {
        let sql = self.workload.queries.iter().find(|query| query.name == name).expect("one of the workload's").sql(1);
        parse(sql, self.topic.name(), self.topic.schema()).expect("a sound query")
    }

    fn replay(&self, id: &'static str, name: &str, rounds: usize, by_hand: fn(&[RecordBatch]) -> Digest) -> Result<Ratio, BenchError> {
        let query = Arc::new(self.query(name));
        let end = self.topic.end()?;
        let right = by_hand(&self.batches);
        let pairs = side_by_side(
            rounds,
            |_| {
                let start = Instant::now();
                let from = (0, Position::zero(self.topic.partitions()));
                let view = twopath_speed::replay(&self.topic, query.clone(), Logic::Sql, Engine::Timely, from, &end, 1)?;
                let tables: Vec<&GroupTable> = view.generations.iter().flat_map(|g| &g.tables).map(Arc::as_ref).collect();
                let rows = answer(&query, &tables, &Selection::default()).expect("sound events raise no error");
                let took = start.elapsed();
                agree(id, &Digest::of(&rows), &right).map(|()| took)
            },
            |_| {
                let start = Instant::now();
                let found = by_hand(&self.batches);
                let took = start.elapsed();
                agree(id, &right, &found).map(|()| took)
            },
        )?;
        let what =
            format!("{} {name}, 1 worker, from the log to its answer, against a hand-written single-threaded loop", self.workload.name);
        Ok(self.ratio(id, &what, &pairs))
    }

    fn feed(
        &self,
        id: &'static str,
        name: &str,
        rounds: usize,
        by_hand: fn(&[RecordBatch]) -> Vec<RecordBatch>,
    ) -> Result<Ratio, BenchError> {
        let right = Digest::of_all(&by_hand(&self.batches));
        let file = self.log.dir().join(format!("{id}.arrow"));
        let pairs = side_by_side(
            rounds,
            |round| {
                let query = FeedQuery::new(self.query(name)).expect("a query of rows");
                let into = format!("{id}-{round}");
                let output = self
                    .log
                    .create_topic(TopicConfig { durability: Durability::None, ..TopicConfig::new(&into, query.schema().clone()) })?;
                let (writer, group) = (output.writer()?, self.topic.local()?.group_or_new(&format!("feed.{into}"))?);
                let (input, feed_output) = (self.topic.clone(), output.clone());
                let dir = self.log.dir().join(&into).with_extension("feed");
                let inputs = vec![(input, group)];
                let feed = Feed {
                    name: into.clone(),
                    producer: into.clone(),
                    inputs,
                    query,
                    output: feed_output,
                    writer,
                    backend: Backend::Memory,
                    every: None,
                    dir,
                };
                let start = Instant::now();
                run_feed(feed, &Until::End, 1, &AtomicBool::new(false))?;
                let took = start.elapsed();
                agree(id, &digest_of_topic(&output)?, &right)?;
                drop(output);
                self.log.delete_topic(&into)?;
                Ok(took)
            },
            |_| {
                let start = Instant::now();
                let rows = by_hand(&self.batches);
                written(&file, &rows)?;
                let took = start.elapsed();
                agree(id, &right, &Digest::of_all(&rows)).map(|()| took)
            },
        )?;
        let what = format!(
            "{} {name}, 1 worker, as a feed from topic to topic, against a hand-written single-threaded loop that writes an Arrow file; both are synced",
            self.workload.name
        );
        Ok(self.ratio(id, &what, &pairs))
    }

    fn ratio(&self, id: &'static str, what: &str, pairs: &[(f64, f64)]) -> Ratio {
        speed_ratio(id, what, 0.5, 0.9, pairs, self.events as f64 / 1e6, "million events/s")
    }
}

impl Digest {
    fn of(rows: &RecordBatch) -> Digest {
        let mut digest = Digest { rows: rows.num_rows() as u64, ..Digest::default() };
        let mut numbers = 0;
        for column in rows.columns() {
            let sum: i128 = match column.data_type() {
                DataType::Int64 => column.as_primitive::<Int64Type>().iter().flatten().map(i128::from).sum(),
                DataType::Timestamp(..) => column.as_primitive::<TimestampMicrosecondType>().iter().flatten().map(i128::from).sum(),
                DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().iter().flatten().sum(),
                DataType::Utf8 => {
                    digest.text_bytes += column.as_string::<i32>().iter().flatten().map(|text| text.len() as u64).sum::<u64>();
                    continue;
                }
                other => unreachable!("no answer here has a column of {other}"),
            };
            numbers += 1;
            digest.sum += numbers * sum;
        }
        digest
    }

    fn of_all(batches: &[RecordBatch]) -> Digest {
        batches.iter().map(Digest::of).fold(Digest::default(), |a, b| Digest {
            rows: a.rows + b.rows,
            sum: a.sum + b.sum,
            text_bytes: a.text_bytes + b.text_bytes,
        })
    }

    fn row(&mut self, numbers: &[i64], text: &str) {
        self.rows += 1;
        self.sum += numbers.iter().zip(1..).map(|(&n, weight)| weight * i128::from(n)).sum::<i128>();
        self.text_bytes += text.len() as u64;
    }
}

fn agree(bench: &'static str, left: &Digest, right: &Digest) -> Result<(), BenchError> {
    if left == right {
        return Ok(());
    }
    Err(BenchError::Answers { bench, left: format!("{left:?}"), right: format!("{right:?}") })
}

fn digest_of_topic(topic: &Topic) -> Result<Digest, BenchError> {
    let mut reader = topic.reader(ONLY, Start::Offset(Offset(0)), None)?;
    let mut batches = Vec::new();
    while let Some(entry) = reader.next()? {
        if let Entry::Records(records) = entry {
            batches.push(records.batch);
        }
    }
    Ok(Digest::of_all(&batches))
}

fn written(path: &Path, rows: &[RecordBatch]) -> Result<(), BenchError> {
    let failed = |e: arrow_schema::ArrowError| std::io::Error::other(e.to_string());
    let schema = rows.first().map(RecordBatch::schema).unwrap_or_else(|| Arc::new(arrow_schema::Schema::empty()));
    let mut writer = FileWriter::try_new(File::create(path)?, &schema).map_err(failed)?;
    rows.iter().try_for_each(|batch| writer.write(batch)).map_err(failed)?;
    writer.into_inner().map_err(failed)?.sync_data()?;
    Ok(())
}

// --- by hand ---

fn numbers<'a>(batch: &'a RecordBatch, name: &str) -> &'a [i64] {
    batch.column_by_name(name).expect("a column of the workload").as_primitive::<Int64Type>().values()
}

fn times(batch: &RecordBatch) -> &[i64] {
    batch.column_by_name("date_time").expect("a column of the workload").as_primitive::<TimestampMicrosecondType>().values()
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> &'a StringArray {
    batch.column_by_name(name).expect("a column of the workload").as_string::<i32>()
}

fn rows_of(batch: &RecordBatch, event_type: i64) -> impl Iterator<Item = usize> + '_ {
    numbers(batch, "event_type").iter().enumerate().filter(move |(_, t)| **t == event_type).map(|(row, _)| row)
}

fn floor(time: i64, size: i64) -> i64 {
    time - time.rem_euclid(size)
}

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn q1(batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let convert = |batch: &RecordBatch| {
        let rows: Vec<usize> = rows_of(batch, BID).collect();
        let (auctions, bidders, prices) = (numbers(batch, "bid_auction"), numbers(batch, "bid_bidder"), numbers(batch, "bid_price"));
        let (at, extra) = (times(batch), texts(batch, "extra"));
        let number = |of: &[i64]| Arc::new(Int64Array::from_iter_values(rows.iter().map(|&row| of[row]))) as ArrayRef;
        let price = Decimal128Array::from_iter_values(rows.iter().map(|&row| i128::from(prices[row]) * 908));
        let price = price.with_precision_and_scale(38, 3).expect("prices of few digits");
        table(vec![
            ("auction", number(auctions)),
            ("bidder", number(bidders)),
            ("price", Arc::new(price)),
            ("date_time", number(at)),
            ("extra", Arc::new(StringArray::from_iter_values(rows.iter().map(|&row| extra.value(row))))),
        ])
    };
    batches.iter().map(convert).collect()
}

fn q2(batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let pick = |batch: &RecordBatch| {
        let (auctions, prices) = (numbers(batch, "bid_auction"), numbers(batch, "bid_price"));
        let rows: Vec<usize> = rows_of(batch, BID).filter(|&row| auctions[row] % 123 == 0).collect();
        let number = |of: &[i64]| Arc::new(Int64Array::from_iter_values(rows.iter().map(|&row| of[row]))) as ArrayRef;
        table(vec![("auction", number(auctions)), ("price", number(prices))])
    };
    batches.iter().map(pick).collect()
}

/// The auctions with the most bids of windows of 10 s that begin every 2 s.
fn q5(batches: &[RecordBatch]) -> Digest {
    const SLIDE: i64 = 2 * SECOND_US;
    const PANES: i64 = 5;
    let mut panes: Groups<(i64, i64)> = HashMap::default();
    for batch in batches {
        let (at, auctions) = (times(batch), numbers(batch, "bid_auction"));
        rows_of(batch, BID).for_each(|row| *panes.entry((floor(at[row], SLIDE), auctions[row])).or_default() += 1);
    }
    let mut windows: Groups<(i64, i64)> = HashMap::default();
    for ((pane, auction), bids) in &panes {
        (0..PANES).for_each(|back| *windows.entry((pane - back * SLIDE, *auction)).or_default() += bids);
    }
    let mut most: Groups<i64> = HashMap::default();
    for ((window, _), bids) in &windows {
        let most = most.entry(*window).or_default();
        *most = (*most).max(*bids);
    }
    let mut digest = Digest::default();
    for ((window, auction), bids) in windows.iter().filter(|((window, _), bids)| **bids >= most[window]) {
        digest.row(&[*window, window + PANES * SLIDE, *auction, *bids], "");
    }
    digest
}

/// The bids with the highest price of a window of 10 s; the end of a window is of it, too.
fn q7(batches: &[RecordBatch]) -> Digest {
    const SIZE: i64 = 10 * SECOND_US;
    let mut most: Groups<i64> = HashMap::default();
    for batch in batches {
        let (at, prices) = (times(batch), numbers(batch, "bid_price"));
        for row in rows_of(batch, BID) {
            let most = most.entry(floor(at[row], SIZE)).or_insert(i64::MIN);
            *most = (*most).max(prices[row]);
        }
    }
    let mut digest = Digest::default();
    for batch in batches {
        let (at, auctions, bidders, prices) =
            (times(batch), numbers(batch, "bid_auction"), numbers(batch, "bid_bidder"), numbers(batch, "bid_price"));
        let extra = texts(batch, "extra");
        for row in rows_of(batch, BID) {
            let window = floor(at[row], SIZE);
            let before = Some(window - SIZE).filter(|_| at[row] == window);
            for window in [Some(window), before].into_iter().flatten().filter(|window| most.get(window) == Some(&prices[row])) {
                debug_assert!(window + SIZE >= at[row]);
                digest.row(&[auctions[row], prices[row], bidders[row], at[row]], extra.value(row));
            }
        }
    }
    digest
}

/// Persons who opened an auction in the window of 10 s in which they came.
fn q8(batches: &[RecordBatch]) -> Digest {
    const SIZE: i64 = 10 * SECOND_US;
    let mut sellers: HashSet<(i64, i64), FixedState> = HashSet::default();
    let mut persons: HashSet<(i64, i64, &str), FixedState> = HashSet::default();
    for batch in batches {
        let (at, seller, person) = (times(batch), numbers(batch, "auction_seller"), numbers(batch, "person_id"));
        let name = texts(batch, "person_name");
        sellers.extend(rows_of(batch, 1).map(|row| (seller[row], floor(at[row], SIZE))));
        persons.extend(rows_of(batch, 0).map(|row| (person[row], floor(at[row], SIZE), name.value(row))));
    }
    let mut digest = Digest::default();
    for (id, window, name) in persons.iter().filter(|(id, window, _)| sellers.contains(&(*id, *window))) {
        digest.row(&[*id, *window], name);
    }
    digest
}

fn views_by_campaign(batches: &[RecordBatch]) -> Digest {
    const SIZE: i64 = 10 * SECOND_US;
    let mut groups: Groups<(i64, i64)> = HashMap::default();
    for batch in batches {
        let ads = numbers(batch, "ad_id");
        let at = batch.column_by_name("event_time").expect("its time").as_primitive::<TimestampMicrosecondType>().values();
        let types = texts(batch, "event_type");
        for row in (0..batch.num_rows()).filter(|&row| types.value(row) == "view") {
            *groups.entry((ads[row] / 10, floor(at[row], SIZE))).or_default() += 1;
        }
    }
    let mut digest = Digest::default();
    groups.iter().for_each(|((campaign, window), views)| digest.row(&[*campaign, *window, *views], ""));
    digest
}
