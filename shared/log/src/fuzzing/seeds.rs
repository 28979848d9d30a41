//! What a fuzzer starts from: files that the log itself wrote.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray};

use crate::config::{Compaction, Retention};
use crate::error::LogError;
use crate::format::index::IndexEntry;
use crate::format::segment::{self, Notes, Summary};
use crate::partition::writer::create_segment;
use twopath_base::{Offset, Position};

use super::positions::GROUP;
use super::{Bench, ID, NOW_US, P0, config};

/// Events with those ids: some values are NULL, event times come and go.
pub(super) fn events(ids: Range<i64>) -> RecordBatch {
    let n = ids.clone();
    let at: TimestampMicrosecondArray = n.clone().map(|i| (i % 4 != 3).then_some(1_000 * (i * 7 % 11))).collect();
    let mut tags = ListBuilder::new(Int32Builder::new());
    n.clone().for_each(|i| tags.append_option((i % 3 != 1).then(|| (0..i % 3).map(|t| Some(t as i32)))));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(at.with_timezone("UTC")),
        Arc::new(n.clone().map(|i| i % 5).collect::<Int64Array>()),
        Arc::new(n.clone().map(|i| (i % 2 == 0).then(|| format!("n{i}"))).collect::<StringArray>()),
        Arc::new(n.clone().map(|i| (i % 3 != 0).then_some(i % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(tags.finish()),
        Arc::new(n.map(|i| Some(format!("a text that is longer than twelve bytes {i}"))).collect::<StringViewArray>()),
    ];
    RecordBatch::try_new(config().schema, columns).expect("columns of the schema")
}

/// An input to start from: its target, its name, its bytes.
pub type Seed = (&'static str, &'static str, Vec<u8>);

/// The seeds of all targets of this module. `dir` is there and empty.
pub fn seeds(dir: &Path) -> Result<Vec<Seed>, LogError> {
    let bench = Bench::new(dir);
    create_segment(&bench.topic.0, P0, Offset(0))?;
    let topic = bench.open();
    let read = |path: &Path| topic.0.storage.read(path).map_err(LogError::io("read", path));
    let segment_file = |base: u64| read(&topic.0.segment(P0, Offset(base)).path);
    let head = segment_file(0)?;
    let writer = topic.writer()?;
    let producer = 7;
    let epoch = writer.begin_producer(producer)?;
    writer.append_to(P0, &events(0..3), Some(crate::records::ProducerSequence { producer, epoch, sequence: 1 }))?;
    writer.append_to(P0, &events(3..9), None)?;
    let active = segment_file(0)?;
    writer.barrier()?;
    let sealed = segment_file(0)?;
    writer.append_to(P0, &events(0..8), None)?;
    writer.barrier()?;
    writer.append_to(P0, &events(0..1), None)?;
    let group = topic.group_or_new(GROUP)?;
    [2, 9, 4].into_iter().try_for_each(|to| group.seek_to(&Position::new(vec![Offset(to)])).map(drop))?;
    let positions = read(&bench.dir.join("groups").join(GROUP).join("positions"))?;
    topic.compact(&Compaction { dirty_ratio_min: 0.0, ..Compaction::default() })?;
    let compacted = read(&topic.0.segment(P0, topic.0.bases(P0)?[0]).path)?;
    let rewritten = read(&bench.dir.join("p0").join("manifest"))?;
    topic.retain(&Retention::of_bytes(1), true)?;
    let started = read(&bench.dir.join("p0").join("manifest"))?;
    writer.close()?;

    let start = segment::seal_start(&sealed).map_or(0, |at| at as usize);
    let torn = active[..active.len() - 100].to_vec();
    let file = read(&bench.dir.join("topic.json"))?;
    let keyed = super::super::config::to_json(
        &super::super::TopicConfig {
            partition_by: super::super::PartitionBy::Key("id".into()),
            durability: super::super::Durability::Interval(std::time::Duration::from_millis(5)),
            retention: Retention::of_bytes(1 << 30),
            compaction: Some(Compaction::default()),
            partitions: 3,
            ..config()
        },
        ID,
    );
    Ok(vec![
        ("seal", "seed-sealed", sealed[start..].to_vec()),
        ("seal", "seed-index", long_seal()),
        ("segment", "seed-head", head),
        ("segment", "seed-active", active),
        ("segment", "seed-sealed", sealed),
        ("segment", "seed-compacted", compacted),
        ("segment", "torn", torn),
        ("positions", "seed-seeks", positions),
        ("manifest", "seed-rewritten", rewritten),
        ("manifest", "seed-started", started),
        ("topic_file", "seed-plain", file),
        ("topic_file", "seed-keyed", keyed),
    ])
}

/// A seal with several entries and producers, which in a file would take much more room.
fn long_seal() -> Vec<u8> {
    let entry = |i: u64| IndexEntry {
        pos: 512 + i * 70_000,
        base: Offset(i * 1000),
        generation: i / 2,
        arrival_us: NOW_US + i as i64,
        event_max_us: i as i64,
    };
    let mut notes = Notes { index: (0..4).map(entry).collect(), ..Notes::default() };
    for sequence in 0..9 {
        let append = crate::records::ProducerSequence { producer: 5 + sequence % 2, epoch: sequence as u32 / 4, sequence };
        notes.producers.note_append(append, Some(Offset(sequence * 10)), NOW_US);
    }
    let summary = Summary {
        frames: 40,
        event_us: Some((-3, 3)),
        arrival_us: (NOW_US, NOW_US + 3),
        records: 3999,
        ..Summary::empty(Offset(4000), 2, 3)
    };
    segment::seal(&config().schema, &summary, &notes, &[])
}
