//! Compaction and retention, cut by a power loss after any change to the files; and kill -9 of a process that does either, or moves segments to
//! an object store or back.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, StringArray};
use twopath_base::PartitionId;
use twopath_base::clock::SystemClock;
use twopath_log::{Compaction, Durability, Entry, Log, LogError, PartitionBy, Retention, Start, Topic, TopicConfig, TopicWriter};
use twopath_storage::RecordingStorage;

use super::Item;
use super::dice::Dice;
use super::power::{at_cuts, with_image};
use super::tally::Tally;
use super::world::{LOG, TOPIC, config, schema};

const P0: PartitionId = PartitionId(0);
const IMAGES: u64 = 100;
const KILLS: u64 = 6;
const KEYS: u64 = 12;

pub(super) fn items(long: bool) -> u64 {
    if long { 1000 } else { 20 }
}

pub(super) fn run(item: &Item<'_>, tally: &Tally) {
    power(item, tally).expect("no fault was asked for");
    kills(item, tally).expect("no fault was asked for");
}

/// All that was ever appended, by offset: key and value.
type Sent = Vec<(i64, String)>;

fn table_config(durability: Durability) -> TopicConfig {
    TopicConfig { partition_by: PartitionBy::Key("id".into()), ..config(1, durability) }
}

fn append(writer: &TopicWriter, sent: &mut Sent, dice: &mut Dice) -> Result<(), LogError> {
    let rows: Sent = (0..1 + dice.below(40)).map(|i| (dice.below(KEYS) as i64, format!("v{}", sent.len() as u64 + i))).collect();
    let ids: Int64Array = rows.iter().map(|r| r.0).collect();
    let names: StringArray = rows.iter().map(|r| Some(r.1.as_str())).collect();
    sent.extend(rows);
    let batch = RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(names)]).expect("two columns of one length");
    writer.append_to(P0, &batch, None).map(drop)
}

fn power(item: &Item<'_>, tally: &Tally) -> Result<(), LogError> {
    let mut dice = Dice::new(item.seed, item.number);
    let live = item.scratch.join("live");
    std::fs::create_dir(&live).expect("the scratch folder is ours");
    let storage = RecordingStorage::new(&live);
    let log = Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), &live.join(LOG))?;
    let topic = log.create_topic(table_config(Durability::Batch))?;
    let writer = topic.writer()?;
    let made = storage.len();
    let mut sent = Sent::new();
    let mut durable = vec![(made, 0)];
    for _ in 0..8 + dice.below(16) {
        match dice.below(5) {
            0 => {
                topic.local()?.compact(&Compaction { dirty_ratio_min: 0.0, ..Compaction::default() })?;
            }
            1 => {
                topic.local()?.retain(&Retention::of_bytes(3000 + dice.below(20_000)), false)?;
            }
            _ => append(&writer, &mut sent, &mut dice)?,
        }
        durable.push((storage.len(), sent.len()));
    }
    let changes = storage.changes();
    let start = topic.start()?.get(P0).0;
    at_cuts(&changes, made, IMAGES, &mut dice, |disk, cut, image| {
        let promised = durable.iter().rev().find(|(at, _)| *at <= cut).map_or(0, |(_, n)| *n);
        let place = || format!("image {image}, cut after {cut} of {} changes", changes.len());
        tally.check(item.number, place, || {
            let mut dice = Dice::new(item.seed, (item.number + 1) << 20 | image);
            with_image(disk, item.scratch, &mut dice, |root| check(&root.join(LOG), &sent, promised, start))
        });
    });
    Ok(())
}

fn kills(item: &Item<'_>, tally: &Tally) -> Result<(), LogError> {
    let mut dice = Dice::new(item.seed, (item.number + 1) << 40);
    let dir = item.scratch.join("killed");
    let store = item.scratch.join("store").display().to_string();
    let topic = Log::open(&dir)?.create_topic(table_config(Durability::None))?;
    let mut sent = Sent::new();
    for kill in 0..KILLS {
        {
            let writer = topic.writer()?;
            (0..60).try_for_each(|_| append(&writer, &mut sent, &mut dice))?;
        }
        let bytes = (4000 + dice.below(60_000)).to_string();
        // What it is, and how long it takes about.
        let (command, us): (&[&str], u64) = match kill % 4 {
            0 => (&["log", "compact", TOPIC, "--dirty-ratio", "0"], 12_000),
            1 => (&["log", "retain", TOPIC, "--bytes", &bytes], 12_000),
            2 => (&["log", "offload", TOPIC, "--to", &store], 40_000),
            _ => (&["log", "recall", TOPIC], 40_000),
        };
        let after = Duration::from_micros(2000 + dice.below(us));
        tally.check(
            item.number,
            || format!("{command:?}, killed after {after:?}"),
            || {
                let quiet = || Stdio::null();
                let child = Command::new(item.program).arg("--dir").arg(&dir).args(command).stdout(quiet()).stderr(quiet()).spawn();
                child.and_then(|child| super::kill::killed(child, after)).map_err(|e| format!("the process cannot be run: {e}"))?;
                check(&dir, &sent, sent.len(), sent.len() as u64)
            },
        );
    }
    Ok(())
}

/// As a reader finds it, and after a writer has opened it.
fn check(dir: &Path, sent: &Sent, promised: usize, start_most: u64) -> Result<(), String> {
    let topic = Log::open(dir).and_then(|log| log.topic(TOPIC)).map_err(|e| format!("it cannot be opened: {e}"))?;
    check_table(&topic, sent, promised, start_most).map_err(|e| format!("before a writer opened it, {e}"))?;
    topic.writer().and_then(|w| w.close()).map_err(|e| format!("it cannot be written: {e}"))?;
    check_table(&topic, sent, promised, start_most).map_err(|e| format!("after a writer opened it, {e}"))?;
    let report = topic.local()?.verify().map_err(|e| format!("it cannot be verified: {e}"))?;
    report.problems.first().map_or(Ok(()), |problem| Err(format!("after recovery, {problem}")))
}

/// Every record is one that was sent, at its offset; the newest of each key is there, unless it lies before the log's start.
fn check_table(topic: &Topic, sent: &Sent, promised: usize, start_most: u64) -> Result<(), String> {
    let read = || -> Result<Vec<(u64, i64, String)>, LogError> {
        let mut reader = topic.reader(P0, Start::First, None)?;
        let mut rows = Vec::new();
        while let Some(entry) = reader.next()? {
            let Entry::Records(records) = entry else { continue };
            let (ids, names) = (records.batch.column(0).as_primitive::<Int64Type>(), records.batch.column(1).as_string::<i32>());
            rows.extend((0..ids.len()).map(|i| (records.offset_of(i).0, ids.value(i), names.value(i).to_owned())));
        }
        Ok(rows)
    };
    let rows = read().map_err(|e| format!("it cannot be read: {e}"))?;
    let place = || -> Result<(u64, u64), LogError> { Ok((topic.start()?.get(P0).0, topic.end()?.get(P0).0)) };
    let (start, end) = place().map_err(|e| e.to_string())?;
    if start > start_most || (end as usize) < promised || end as usize > sent.len() {
        return Err(format!("it goes from {start} to {end}; {promised} records were promised, and no start after {start_most}"));
    }
    if !rows.is_sorted_by(|a, b| a.0 < b.0) {
        return Err("offsets do not ascend".into());
    }
    if let Some(row) = rows.iter().find(|r| sent.get(r.0 as usize).is_none_or(|s| (s.0, &s.1) != (r.1, &r.2))) {
        return Err(format!("{row:?} was never appended there"));
    }
    let newest: HashMap<i64, u64> = sent[..end as usize].iter().enumerate().map(|(at, s)| (s.0, at as u64)).collect();
    match newest.values().find(|at| **at >= start && rows.binary_search_by_key(*at, |r| r.0).is_err()) {
        Some(at) => Err(format!("the newest record of a key, at {at}, is gone (the log goes from {start} to {end})")),
        None => Ok(()),
    }
}
