//! `twopath bench log-scale`: many readers, many partitions, many segments.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use twopath_base::PartitionId;
use twopath_base::meters;
use twopath_log::{Durability, Entry, Log, LogError, MemberOptions, Start, TopicConfig};

use super::events::Pageviews;
use super::{BenchError, Ratio, Setting, joined, median, same, side_by_side, speed_ratio, timed};

const ROWS_PER_APPEND: usize = 16_384;
const P0: PartitionId = PartitionId(0);

/// The rate of appends while 100 groups follow the topic, against 1; each follower must have read everything in the end.
pub fn groups(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let (appends, many) = if size.quick { (40, 10) } else { (1_000, 100) };
    let batch = Pageviews::generate(ROWS_PER_APPEND as u64, 1, ROWS_PER_APPEND).batches.swap_remove(0);
    let pairs = side_by_side(
        size.rounds,
        |round| followed(&dir.join(format!("many-{round}")), many, appends, &batch),
        |round| followed(&dir.join(format!("one-{round}")), 1, appends, &batch),
    )?;
    let events = (appends * ROWS_PER_APPEND) as f64 / 1e6;
    let what = format!("appends while {many} consumer groups follow the topic, against 1 group");
    Ok(vec![speed_ratio("groups", &what, 0.5, 0.8, &pairs, events, "million events/s")])
}

fn followed(dir: &Path, groups: usize, appends: usize, batch: &RecordBatch) -> Result<Duration, BenchError> {
    let topic = Log::open(dir)?.create_topic(Pageviews::topic("pageviews", 1, Durability::None))?;
    let events = (appends * batch.num_rows()) as u64;
    let failed = AtomicBool::new(false);
    // Making a group is making files, which is not what is measured.
    let all_joined = Barrier::new(groups + 1);
    let follow = |g: usize| -> Result<u64, LogError> {
        let joined = topic.local()?.group_or_new(&format!("g{g}")).and_then(|group| group.join("m", MemberOptions::default()));
        all_joined.wait();
        let mut member = joined?;
        let mut read = 0;
        while read < events && !failed.load(Ordering::Relaxed) {
            if let Some(Entry::Records(records)) = member.poll(Duration::from_secs(1))? {
                read += records.batch.num_rows() as u64;
            }
        }
        member.leave()?;
        Ok(read)
    };
    let follow = &follow;
    let took = std::thread::scope(|scope| {
        let followers: Vec<_> = (0..groups).map(|g| scope.spawn(move || follow(g))).collect();
        let append = || -> Result<Duration, LogError> {
            let writer = topic.writer();
            all_joined.wait();
            let writer = writer?;
            let start = Instant::now();
            for _ in 0..appends {
                writer.append_to(P0, batch, None)?;
            }
            Ok(start.elapsed())
        };
        let took = append().inspect_err(|_| failed.store(true, Ordering::Relaxed));
        for follower in followers {
            same("groups", joined(follower)?, events)?;
        }
        Ok::<_, BenchError>(took?)
    })?;
    for g in 0..groups {
        same("groups", topic.local()?.group(&format!("g{g}"))?.committed()?.records(), events)?;
    }
    std::fs::remove_dir_all(dir)?;
    Ok(took)
}

/// Four threads append to a partition each, against one thread to one partition; the same number of events in all.
pub fn partitions(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let appends = if size.quick { 40 } else { 1_200 };
    let batch = Pageviews::generate(ROWS_PER_APPEND as u64, 1, ROWS_PER_APPEND).batches.swap_remove(0);
    let append = |home: PathBuf, writers: u32| -> Result<Duration, BenchError> {
        let topic = Log::open(&home)?.create_topic(Pageviews::topic("pageviews", writers, Durability::None))?;
        let writer = topic.writer()?;
        let one = |p: u32| (0..appends / writers).try_for_each(|_| writer.append_to(PartitionId(p), &batch, None).map(drop));
        let (done, took) = timed(|| {
            std::thread::scope(|scope| {
                let one = &one;
                let threads: Vec<_> = (0..writers).map(|p| scope.spawn(move || one(p))).collect();
                threads.into_iter().try_for_each(joined)
            })
        });
        done?;
        writer.close()?;
        same("partitions", topic.end()?.records(), u64::from(appends) * ROWS_PER_APPEND as u64)?;
        std::fs::remove_dir_all(home)?;
        Ok(took)
    };
    let pairs = side_by_side(size.rounds, |r| append(dir.join(format!("four-{r}")), 4), |r| append(dir.join(format!("one-{r}")), 1))?;
    let events = f64::from(appends) * ROWS_PER_APPEND as f64 / 1e6;
    let what = "4 partitions with 4 writing threads, against 1 partition with 1, the same events in all";
    Ok(vec![speed_ratio("partitions", what, 1.0, 1.5, &pairs, events, "million events/s")])
}

/// Opening a log of many segments for writing: after a clean stop, and where the tail does not count, as after a crash of the machine.
pub fn open(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let segments = if size.quick { 50 } else { 2_000 };
    let batch = Pageviews::generate(1_024, 1, 1_024).batches.swap_remove(0);
    let config = TopicConfig { segment_bytes: 16 << 10, ..Pageviews::topic("pageviews", 1, Durability::None) };
    let topic = Log::open(dir)?.create_topic(config)?;
    let writer = topic.writer()?;
    (0..segments).try_for_each(|_| writer.append_to(P0, &batch, None).map(drop))?;
    writer.close()?;
    let end = topic.end()?;
    same("open", topic.local()?.segments(P0)?.iter().filter(|s| s.sealed).count() as u64, segments)?;
    drop(topic);
    let ms_to_open = || -> Result<f64, BenchError> {
        // A log of its own knows nothing of what was opened before.
        let (opened, took) = timed(|| Log::open(dir).and_then(|log| log.topic("pageviews")).and_then(|t| Ok((t.writer()?, t.end()?))));
        let (writer, found) = opened?;
        writer.close()?;
        same("open", found.records(), end.records())?;
        Ok(took.as_secs_f64() * 1e3)
    };
    let (mut clean, mut crashed) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        clean.push(ms_to_open()?);
        // A tail of another boot or folder counts for nothing; so does none at all.
        std::fs::remove_file(dir.join("pageviews").join("tail"))?;
        crashed.push(ms_to_open()?);
    }
    let row = |id, how: &str, rounds: Vec<f64>| Ratio {
        id,
        what: format!("opening a log of {segments} segments for writing, {how}"),
        ratio: median(&rounds),
        rounds,
        floor: 100.0,
        aim: 50.0,
        unit: Some("ms"),
        lower_is_better: true,
        detail: String::new(),
    };
    Ok(vec![row("open_clean", "after a clean stop", clean), row("open_crashed", "without a tail that counts, as after a crash", crashed)])
}

/// Anonymous memory (RssAnon, which mapped files are no part of) that it takes to hold a large log open: the topic, its tail, and a reader at the
/// start and one at the end, each of which has read.
pub fn memory(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let events: u64 = if size.quick { 1_000_000 } else { 100_000_000 };
    let rows = 65_536;
    let batch = Pageviews::generate(rows, 1, rows as usize).batches.swap_remove(0);
    let topic = Log::open(dir)?.create_topic(Pageviews::topic("pageviews", 1, Durability::None))?;
    let writer = topic.writer()?;
    let appends = events.div_ceil(rows);
    (0..appends).try_for_each(|_| writer.append_to(P0, &batch, None).map(drop))?;
    writer.close()?;
    drop(topic);
    let before = rss_anon_bytes()?;
    let topic = Log::open(dir)?.topic("pageviews")?;
    let (_tail, writer) = (topic.tail()?, topic.writer()?);
    let (mut first, mut last) = (topic.reader(P0, Start::First, None)?, topic.reader(P0, Start::End, None)?);
    let mut read = 0;
    while let Some(entry) = first.next()? {
        if let Entry::Records(records) = entry {
            read += records.batch.num_rows() as u64;
        }
    }
    same("memory", read, appends * rows)?;
    same("memory", u64::from(last.next()?.is_some()), 0)?;
    let held_mb = rss_anon_bytes()?.saturating_sub(before) as f64 / 1e6;
    writer.close()?;
    Ok(vec![Ratio {
        id: "memory",
        what: format!("anonymous memory that holding a log of {} million events open adds, all of it read once", events / 1_000_000),
        ratio: held_mb,
        rounds: vec![held_mb],
        floor: 50.0,
        aim: 10.0,
        unit: Some("MB"),
        lower_is_better: true,
        detail: format!("{} segments; RssAnon {:.1} MB before", topic.local()?.segments(P0)?.len(), before as f64 / 1e6),
    }])
}

fn rss_anon_bytes() -> Result<u64, BenchError> {
    match meters::rss_anon_bytes() {
        0 => Err(BenchError::Io(std::io::Error::other("/proc/self/status does not tell RssAnon"))),
        bytes => Ok(bytes),
    }
}
