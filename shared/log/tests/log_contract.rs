//! What every log must do, tested against each that there is: the embedded one, and, with the feature `kafka` and a server named by
//! `TWOPATH_TEST_KAFKA` (see `tests/kafka/server`), Kafka's.

mod log_common;
#[cfg(feature = "kafka")]
#[path = "log_contract/over_kafka.rs"]
mod over_kafka;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use log_common::{config, events, folder, ids, names, partition_ids, read_all};
use twopath_base::{LogColumn, Offset, PartitionId, Position};
use twopath_log::{Entry, Log, LogError, PartitionBy, ProducerSequence, Records, Start, Topic, TopicConfig, TopicWriter};

const P0: PartitionId = PartitionId(0);

/// Where topics come from; `open` opens one anew, as another process would.
trait Make {
    fn create(&self, config: TopicConfig) -> Topic;
    fn open(&self, name: &str) -> Topic;
    fn missing(&self) -> LogError;
}

struct Embedded(tempfile::TempDir);

impl Make for Embedded {
    fn create(&self, config: TopicConfig) -> Topic {
        // Small segments, so that places lie in many of them.
        Log::open(self.0.path()).unwrap().create_topic(TopicConfig { segment_bytes: 5_000, ..config }).unwrap()
    }

    fn open(&self, name: &str) -> Topic {
        Log::open(self.0.path()).unwrap().topic(name).unwrap()
    }

    fn missing(&self) -> LogError {
        Log::open(self.0.path()).unwrap().topic("nowhere").unwrap_err()
    }
}

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(#[test] fn $name() { super::$name(&super::Embedded(super::folder())); })*
        }

        #[cfg(feature = "kafka")]
        mod kafka {
            $(#[test] fn $name() { if let Some(make) = super::over_kafka::server(stringify!($name)) { super::$name(&make); } })*
        }
    };
}

contract!(
    appends_are_read_in_order_from_any_offset,
    places_by_time,
    projections_and_ranges,
    the_logs_own_columns,
    the_watermark_is_that_of_the_frames_before,
    barriers_stand_in_every_partition,
    keys_find_their_partition,
    a_reader_follows_the_tail,
    repeated_sequences_land_once_also_after_reopening,
    one_writer_at_a_time,
    of_two_writers_that_open_at_once_one_appends,
    many_threads_append,
    errors_say_what_to_do,
);

fn entries(topic: &Topic, partition: PartitionId, start: Start) -> Vec<Entry> {
    let mut reader = topic.reader(partition, start, None).unwrap();
    let entries: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).collect();
    assert_eq!(reader.offset(), topic.end().unwrap().get(partition), "a reader at the end knows where it is");
    entries
}

fn rows(entries: &[Entry]) -> Vec<i64> {
    let mut all = Vec::new();
    for entry in entries {
        if let Entry::Records(Records { base, batch, .. }) = entry {
            let these = ids(std::slice::from_ref(batch));
            assert_eq!(these[0] as u64, base.0, "in these tests of one partition, ids are offsets");
            all.extend(these);
        }
    }
    all
}

/// 40 appends of 1 to 7 rows, 40 rows of which lie before the middle; event `id` happened at `id` milliseconds.
fn filled(make: &dyn Make) -> (Topic, i64) {
    let topic = make.create(config("t", 1));
    let writer = topic.writer().unwrap();
    let mut end = 0;
    for i in 0..40 {
        let rows = 1 + i % 7;
        let position = writer.append(&events(end..end + rows)).unwrap();
        end += rows;
        assert_eq!(position, Position::new(vec![Offset(end as u64)]));
    }
    writer.close().unwrap();
    (topic, end)
}

fn appends_are_read_in_order_from_any_offset(make: &dyn Make) {
    let (topic, end) = filled(make);
    for topic in [topic, make.open("t")] {
        assert_eq!(topic.end().unwrap(), Position::new(vec![Offset(end as u64)]));
        let all = entries(&topic, P0, Start::First);
        assert_eq!(rows(&all), (0..end).collect::<Vec<_>>());
        let arrivals: Vec<i64> = all.iter().filter_map(|e| if let Entry::Records(r) = e { Some(r.arrival_us) } else { None }).collect();
        assert!(arrivals.is_sorted() && arrivals[0] > 0, "arrival times never go back: {arrivals:?}");
        for from in (0..end).step_by(9).chain([1, end - 1, end]) {
            assert_eq!(rows(&entries(&topic, P0, Start::Offset(Offset(from as u64)))), (from..end).collect::<Vec<_>>(), "from {from}");
        }
        assert!(entries(&topic, P0, Start::End).is_empty());
    }
    let batches = read_all(&make.open("t"), P0);
    let written = events(0..end);
    assert_eq!(batches.iter().flat_map(names).collect::<Vec<_>>(), names(&written), "text and NULLs come back");
}

fn places_by_time(make: &dyn Make) {
    let topic = make.create(config("t", 1));
    let writer = topic.writer().unwrap();
    // The second half of each hundred comes late.
    let order = [0..50, 100..150, 50..100, 200..250, 150..200, 250..300];
    let mut arrivals = Vec::new();
    for ids in order.clone() {
        writer.append(&events(ids)).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    let all = entries(&topic, P0, Start::First);
    for entry in &all {
        let Entry::Records(records) = entry else { panic!("there are no barriers") };
        arrivals.push((records.arrival_us, records.base));
    }
    let first = |start| match entries(&topic, P0, start).first() {
        Some(Entry::Records(r)) => Some((r.base, ids(std::slice::from_ref(&r.batch))[0])),
        _ => None,
    };
    // The first frame that holds a row at or after the time.
    assert_eq!(first(Start::EventTime(0)), Some((Offset(0), 0)));
    assert_eq!(first(Start::EventTime(49_000)), Some((Offset(0), 0)));
    assert_eq!(first(Start::EventTime(49_001)), Some((Offset(50), 100)));
    assert_eq!(first(Start::EventTime(120_000)), Some((Offset(50), 100)));
    assert_eq!(first(Start::EventTime(150_000)), Some((Offset(150), 200)));
    assert_eq!(first(Start::EventTime(250_000)), Some((Offset(250), 250)));
    assert_eq!(first(Start::EventTime(300_000)), None);
    for (i, (at_us, base)) in arrivals.iter().enumerate() {
        assert_eq!(first(Start::ArrivalTime(*at_us)).map(|f| f.0), Some(*base), "arrival {i}");
        assert_eq!(first(Start::ArrivalTime(*at_us + 1)).map(|f| f.0), arrivals.get(i + 1).map(|a| a.1), "just after arrival {i}");
    }
}

fn projections_and_ranges(make: &dyn Make) {
    let (topic, end) = filled(make);
    let whole = arrow_select::concat::concat_batches(topic.schema(), &read_all(&topic, P0)).unwrap();
    for columns in [&[0][..], &[2], &[1, 3], &[0, 1, 2, 3]] {
        let mut reader = topic.reader(P0, Start::First, Some(columns)).unwrap();
        let mut parts = Vec::new();
        while let Some(Entry::Records(records)) = reader.next().unwrap() {
            parts.push(records.batch);
        }
        let got = arrow_select::concat::concat_batches(&parts[0].schema(), &parts).unwrap();
        assert_eq!(got, whole.project(columns).unwrap());
    }
    for (from, to) in [(0, end), (3, 4), (5, 5), (10, end - 10), (end, end), (17, 60)] {
        let parts: Vec<_> = topic.range(P0, Offset(from as u64), Offset(to as u64), None).unwrap().map(|r| r.unwrap().batch).collect();
        assert_eq!(ids(&parts), (from..to).collect::<Vec<_>>(), "{from} to {to}");
    }
    assert!(matches!(topic.range(P0, Offset(0), Offset(end as u64 + 1), None), Err(LogError::OffsetOutOfRange { .. })));
    assert!(matches!(topic.reader(P0, Start::First, Some(&[1, 0])), Err(LogError::BadProjection { .. })));
    assert!(matches!(topic.reader(P0, Start::First, Some(&[99])), Err(LogError::BadProjection { .. })));
}

/// The log's own columns say of each record what the frame says of it, also where the frame is cut and where no other column is read.
fn the_logs_own_columns(make: &dyn Make) {
    let (topic, end) = filled(make);
    let fields = topic.schema().fields().len();
    let [arrival, partition, offset] = LogColumn::ORDER.map(|c| c.index(fields));
    for columns in [vec![arrival, partition, offset], vec![0, partition, offset], vec![offset], (0..=offset).collect()] {
        let mut next = 3;
        for records in topic.range(P0, Offset(3), Offset(end as u64 - 2), Some(&columns)).unwrap() {
            let records = records.unwrap();
            for (column, values) in columns.iter().zip(records.batch.columns()) {
                let rows = 0..records.batch.num_rows();
                let wanted: Vec<i64> = match LogColumn::at(*column, fields) {
                    None => continue,
                    Some(LogColumn::Arrival) => rows.map(|_| records.arrival_us).collect(),
                    Some(LogColumn::Partition) => rows.map(|_| 0).collect(),
                    Some(LogColumn::Offset) => rows.map(|row| next + row as i64).collect(),
                    Some(LogColumn::Watermark) => continue,
                };
                let got = arrow_cast::cast(values, &arrow_schema::DataType::Int64).unwrap();
                assert_eq!(got.as_primitive::<arrow_array::types::Int64Type>().values(), &wanted[..], "column {column} of {columns:?}");
            }
            assert_eq!(records.batch.schema().fields().len(), columns.len());
            next += records.batch.num_rows() as i64;
        }
        assert_eq!(next, end - 2);
    }
}

/// A record's watermark is the greatest event time of the frames before its own, wherever reading starts, over segments and after a restart.
fn the_watermark_is_that_of_the_frames_before(make: &dyn Make) {
    let topic = make.create(config("t", 1));
    let writer = topic.writer().unwrap();
    // Event times go up and down, and the first frames are the latest for a while.
    let starts = [50, 10, 0, 60, 55, 200, 20, 190, 210, 0];
    let mut wanted: Vec<Option<i64>> = Vec::new();
    let mut newest = None;
    for round in 0..4 {
        for start in starts {
            let batch = events(start + 100 * round..start + 100 * round + 5);
            writer.append(&batch).unwrap();
            let times: Vec<i64> = ids(std::slice::from_ref(&batch)).into_iter().map(|id| id * 1000).collect();
            wanted.extend(times.iter().map(|_| newest));
            newest = newest.max(times.into_iter().max());
        }
        if round == 1 {
            writer.barrier().unwrap();
        }
    }
    writer.close().unwrap();
    let column = LogColumn::Watermark.index(topic.schema().fields().len());
    let read = |topic: &Topic, start: Start| -> Vec<Option<i64>> {
        let mut reader = topic.reader(P0, start, Some(&[column])).unwrap();
        let mut all = Vec::new();
        while let Some(entry) = reader.next().unwrap() {
            if let Entry::Records(records) = entry {
                all.extend(records.batch.column(0).as_primitive::<arrow_array::types::TimestampMicrosecondType>().iter());
            }
        }
        all
    };
    for topic in [topic, make.open("t")] {
        assert_eq!(read(&topic, Start::First), wanted);
        let from_the_midst = topic.reader(P0, Start::Offset(Offset(7)), Some(&[column]));
        match from_the_midst {
            // Over Kafka nobody knows, and it says so.
            Err(e) => assert!(matches!(e, LogError::NoWatermark { .. }), "{e}"),
            Ok(_) => {
                for from in [1, 7, 49, 50, 51, 99, 100, 101, 150, 199, 200] {
                    assert_eq!(read(&topic, Start::Offset(Offset(from))), wanted[from as usize..], "from {from}");
                }
            }
        }
    }
}

fn barriers_stand_in_every_partition(make: &dyn Make) {
    let topic = make.create(config("t", 3));
    let writer = topic.writer().unwrap();
    let mut made = Vec::new();
    for i in 0..5 {
        // Some barriers follow one another with nothing between, and some partitions stay empty for a while.
        if i != 2 {
            writer.append_to(PartitionId(i % 2), &events(0..10), None).unwrap();
        }
        let barrier = writer.barrier().unwrap();
        assert_eq!((barrier.number, &barrier.position), (u64::from(i) + 1, &topic.end().unwrap()));
        made.push(barrier);
    }
    drop(writer);
    let again = make.open("t");
    assert_eq!(topic.barriers().unwrap(), made);
    assert_eq!(again.barriers().unwrap(), made);
    for p in partition_ids(&again) {
        let mut reader = again.reader(p, Start::First, None).unwrap();
        let mut met = Vec::new();
        while let Some(entry) = reader.next().unwrap() {
            match entry {
                Entry::Barrier(barrier) => {
                    assert_eq!(reader.generation(), barrier.number);
                    assert_eq!(reader.offset(), barrier.position.get(p));
                    met.push(barrier);
                }
                Entry::Records(_) => assert_eq!(reader.generation(), met.len() as u64),
            }
        }
        assert_eq!(met, made, "partition {p}");
        // A reader that starts at an offset meets the barriers there.
        for barrier in &made {
            let at = barrier.position.get(p);
            let reader_at = |start| again.reader(p, start, None).unwrap();
            let before = made.iter().filter(|b| b.position.get(p) < at).count() as u64;
            if at > Offset(0) {
                assert_eq!(reader_at(Start::Offset(at)).generation(), before, "partition {p}, offset {at}");
            }
            assert_eq!(reader_at(Start::End).generation(), made.len() as u64);
        }
    }
    // A new writer goes on counting, and a topic that was open meanwhile sees it.
    let barrier = again.writer().unwrap().barrier().unwrap();
    assert_eq!(barrier.number, 6);
    made.push(barrier);
    assert_eq!(topic.barriers().unwrap(), made);
}

fn keys_find_their_partition(make: &dyn Make) {
    let topic = make.create(TopicConfig { partition_by: PartitionBy::Key("name".into()), ..config("t", 4) });
    let writer = topic.writer().unwrap();
    let position = writer.append(&events(0..200)).unwrap();
    assert_eq!((position.records(), &position), (200, &topic.end().unwrap()));
    let expected = topic.split(&events(0..200)).unwrap();
    let again = make.open("t");
    for (p, part) in expected {
        assert_eq!(ids(&read_all(&again, p)), ids(&[part]), "partition {p}");
    }
    let turns = make.create(config("turns", 2));
    let writer = turns.writer().unwrap();
    for i in 0..4 {
        writer.append(&events(i..i + 1)).unwrap();
    }
    assert_eq!(turns.end().unwrap(), Position::new(vec![Offset(2), Offset(2)]), "batch by batch in turn");
}

fn a_reader_follows_the_tail(make: &dyn Make) {
    let topic = make.create(config("t", 2));
    // Both as another process would see it, and as one in this process that shares the writer's topic does.
    let followers: Vec<_> = [topic.clone(), make.open("t")]
        .into_iter()
        .flat_map(|topic| [P0, PartitionId(1)].map(|p| (topic.clone(), p)))
        .map(|(topic, p)| {
            let tail = topic.tail().unwrap();
            let mut reader = topic.reader(p, Start::First, None).unwrap();
            std::thread::spawn(move || {
                let (mut got, mut barriers) = (Vec::new(), 0);
                let until = Instant::now() + Duration::from_secs(60);
                while barriers < 2 {
                    assert!(Instant::now() < until, "only {} rows came", got.len());
                    let seen = tail.sequence();
                    match reader.next().unwrap() {
                        Some(Entry::Records(records)) => {
                            assert!(tail.end(p) >= Offset(0));
                            got.extend(ids(&[records.batch]));
                        }
                        Some(Entry::Barrier(_)) => barriers += 1,
                        None => tail.wait(seen, Duration::from_secs(20)),
                    }
                }
                while tail.end(p) < reader.offset() {
                    assert!(Instant::now() < until, "the tail does not learn of the end");
                    std::thread::sleep(Duration::from_millis(1));
                }
                got
            })
        })
        .collect();
    let writer = topic.writer().unwrap();
    for i in 0..50 {
        writer.append_to(PartitionId(i % 2), &events(i64::from(i) * 3..i64::from(i) * 3 + 3), None).unwrap();
        if i == 20 {
            writer.barrier().unwrap();
        }
        if i % 10 == 0 {
            std::thread::sleep(Duration::from_millis(3));
        }
    }
    writer.barrier().unwrap();
    for (i, follower) in followers.into_iter().enumerate() {
        let p = i as i64 % 2;
        let expected: Vec<i64> = (0..50).filter(|i| i % 2 == p).flat_map(|i| i * 3..i * 3 + 3).collect();
        assert_eq!(follower.join().unwrap(), expected);
    }
    // Whoever waits without end can be woken.
    let tail = topic.tail().unwrap();
    let (seen, waker) = (tail.sequence(), tail.clone());
    let waiting = std::thread::spawn(move || tail.wait(seen, Duration::from_secs(100_000_000)));
    while !waiting.is_finished() {
        waker.wake();
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn repeated_sequences_land_once_also_after_reopening(make: &dyn Make) {
    let topic = make.create(config("t", 1));
    let send = |writer: &TopicWriter, producer, sequence, rows: std::ops::Range<i64>| {
        writer.append_to(P0, &events(rows), Some(ProducerSequence { producer, epoch: 0, sequence }))
    };
    let writer = topic.writer().unwrap();
    assert_eq!(send(&writer, 7, 1, 0..3).unwrap(), Offset(0));
    assert_eq!(send(&writer, 7, 1, 0..3).unwrap(), Offset(0), "a retry is acknowledged with its offset");
    assert_eq!(send(&writer, 8, 1, 3..5).unwrap(), Offset(3), "producers count for themselves");
    assert_eq!(send(&writer, 7, 5, 5..6).unwrap(), Offset(5), "numbers may jump");
    assert!(matches!(send(&writer, 7, 4, 6..7), Err(LogError::StaleSequence { producer: 7, sequence: 4, .. })));
    assert_eq!(send(&writer, 7, 1, 0..3).unwrap(), Offset(0), "the last few are remembered");
    drop(writer);
    for _ in 0..2 {
        let again = make.open("t");
        let writer = again.writer().unwrap();
        assert_eq!(send(&writer, 7, 5, 5..6).unwrap(), Offset(5), "also after reopening");
        assert_eq!(send(&writer, 8, 1, 3..5).unwrap(), Offset(3));
        assert!(matches!(send(&writer, 7, 2, 6..7), Err(LogError::StaleSequence { .. })));
    }
    // A new instance of a producer fences the older one, also after reopening.
    let writer = make.open("t").writer().unwrap();
    assert_eq!(writer.begin_producer(9).unwrap(), 1);
    assert_eq!(writer.begin_producer(9).unwrap(), 2);
    drop(writer);
    let writer = make.open("t").writer().unwrap();
    let append = ProducerSequence { producer: 9, epoch: 1, sequence: 1 };
    assert!(matches!(writer.append_to(P0, &events(6..8), Some(append)), Err(LogError::Fenced { producer: 9, epoch: 1, current: 2 })));
    assert_eq!(writer.append_to(P0, &events(6..8), Some(ProducerSequence { epoch: 2, ..append })).unwrap(), Offset(6));
    let state = writer.producer_state(P0, 9).unwrap().unwrap();
    assert_eq!((state.epoch, state.recent), (2, vec![(1, Offset(6))]));
    assert_eq!(ids(&read_all(&topic, P0)), (0..8).collect::<Vec<_>>());
}

/// A second writer is refused while the first lives, or takes over, and then the first can append nothing that counts.
fn one_writer_at_a_time(make: &dyn Make) {
    let topic = make.create(config("t", 1));
    let first = topic.writer().unwrap();
    first.append(&events(0..2)).unwrap();
    match make.open("t").writer() {
        Err(LogError::Locked { .. }) => {
            first.append(&events(2..4)).unwrap();
            drop(first);
        }
        Err(e) => panic!("{e}"),
        Ok(second) => {
            let fenced = first.append(&events(90..93)).unwrap_err();
            assert!(matches!(fenced, LogError::Overtaken { .. }), "{fenced}");
            assert!(matches!(first.append(&events(93..95)), Err(LogError::WriterFailed { .. })));
            // The record that came too late takes the offset that the second one needed next, so that it must look anew as well.
            assert!(matches!(second.append(&events(80..85)), Err(LogError::Overtaken { .. })));
            assert_eq!(make.open("t").end().unwrap().records(), 2, "nothing of either counts");
            drop((first, second));
            topic.writer().unwrap().append(&events(2..4)).unwrap();
        }
    }
    let writer = make.open("t").writer().unwrap();
    writer.append(&events(4..6)).unwrap();
    assert_eq!(ids(&read_all(&topic, P0)), (0..6).collect::<Vec<_>>());
    assert_eq!(rows(&entries(&make.open("t"), P0, Start::Offset(Offset(3)))), [3, 4, 5]);
}

/// Two that open at the same moment never share the partitions between them, and leave a topic that the next one can write.
fn of_two_writers_that_open_at_once_one_appends(make: &dyn Make) {
    let topic = make.create(config("t", 6));
    let mut rows = 0;
    for round in 0..8 {
        let both = [make.open("t"), make.open("t")];
        let opened = std::thread::scope(|scope| both.each_ref().map(|topic| scope.spawn(|| topic.writer())).map(|t| t.join().unwrap()));
        for writer in &opened {
            assert!(matches!(writer, Ok(_) | Err(LogError::Locked { .. } | LogError::Overtaken { .. })), "{:?}", writer.as_ref().err());
        }
        // One of them appends to the first partition, and the other to the last.
        let at = |turn: usize| [P0, PartitionId(5)][turn % 2];
        let append = |(i, writer): (usize, &Result<TopicWriter, _>)| {
            writer.as_ref().is_ok_and(|w| w.append_to(at(round + i), &events(0..1), None).is_ok())
        };
        let appended = opened.iter().enumerate().filter(|w| append(*w)).count() as u64;
        assert!(appended < 2, "round {round}: both appended");
        drop(opened);
        let writer = make.open("t").writer().unwrap();
        writer.barrier().unwrap();
        rows += appended;
        assert_eq!(topic.end().unwrap().records(), rows);
    }
}

fn many_threads_append(make: &dyn Make) {
    let topic = make.create(config("t", 2));
    let writer = Arc::new(topic.writer().unwrap());
    let threads: Vec<_> = (0..4)
        .map(|t| {
            let writer = writer.clone();
            std::thread::spawn(move || {
                let append = |i: i64| writer.append_to(PartitionId((i % 2) as u32), &events(t * 1000 + i..t * 1000 + i + 1), None).unwrap();
                (0..30).map(append).collect::<Vec<_>>()
            })
        })
        .collect();
    threads.into_iter().for_each(|t| assert_eq!(t.join().unwrap().len(), 30));
    let again = make.open("t");
    let mut all = Vec::new();
    for p in partition_ids(&again) {
        let got = ids(&read_all(&again, p));
        for t in 0..4 {
            let of_thread: Vec<_> = got.iter().filter(|id| *id / 1000 == t).collect();
            assert!(of_thread.is_sorted(), "each thread's rows keep their order");
        }
        all.extend(got);
    }
    all.sort_unstable();
    assert_eq!(all, (0..4).flat_map(|t| t * 1000..t * 1000 + 30).collect::<Vec<_>>());
}

fn errors_say_what_to_do(make: &dyn Make) {
    let topic = make.create(config("t", 1));
    assert!(matches!(make.missing(), LogError::NoSuchTopic { known, .. } if known.iter().any(|k| k.ends_with('t'))));
    assert!(matches!(topic.reader(PartitionId(1), Start::First, None), Err(LogError::NoSuchPartition { .. })));
    let beyond = topic.reader(P0, Start::Offset(Offset(1)), None).err().unwrap();
    assert!(matches!(beyond, LogError::OffsetOutOfRange { end: Offset(0), .. }));
    let writer = topic.writer().unwrap();
    assert!(matches!(writer.append(&events(0..1).project(&[0]).unwrap()), Err(LogError::SchemaMismatch { .. })));
    assert_eq!(writer.append(&events(0..0)).unwrap(), Position::zero(1), "no rows, no record");
    assert_eq!(writer.append_to(P0, &events(0..0), None).unwrap(), Offset(0));
    assert!(writer.append_to(PartitionId(3), &events(0..1), None).is_err());
    writer.append(&events(0..1)).unwrap();
    assert_eq!(ids(&read_all(&topic, P0)), [0], "errors of a caller's do no harm");
}
