//! `twopath bench log`: the log's two implementations on the same events: the embedded one, and Kafka's at the other end of a socket.
//!
//! Both do the same through the same contract: append, each append acknowledged before the next, and read everything back from the
//! start. Count and sum of what was read are checked. The classes of durability correspond as follows.
//!
//! | | embedded | Kafka |
//! | --- | --- | --- |
//! | `none` | the operating system has it | `acks=all`, in-sync replicas have it in their page caches |
//! | `batch` | written and `fdatasync`ed before the append returns | the same, and `flush.messages=1`: synced before the answer |
//!
//! CPU is the process's own; for Kafka, also the broker's, where it runs on this machine and its process can be seen.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use hdrhistogram::Histogram;
use twopath_base::PartitionId;
use twopath_base::meters;
use twopath_log::{Address, Durability, Entry, LogError, Start, Topic, TopicConfig};

use super::append::write_plainly;
use super::broker::Broker;
use super::events::{DURATION_MS, Pageviews};
use super::{BenchError, Ratio, Size, histogram_ns, joined, median};

const P0: PartitionId = PartitionId(0);
/// Open-loop: one append every so often, whether or not the one before has been read.
const EVERY: Duration = Duration::from_millis(4);
const ROWS_LATE: usize = 64;

/// One kind of load.
struct Load {
    /// Of the rows in the table: `log_cpu_none`.
    cpu: &'static str,
    rate: &'static str,
    durability: Durability,
    rows_per_append: usize,
    appends: usize,
}

/// What one round cost.
struct Cost {
    seconds: f64,
    client_cpu_s: f64,
    broker_cpu_s: Option<f64>,
}

impl Cost {
    fn cpu_s(&self) -> f64 {
        self.client_cpu_s + self.broker_cpu_s.unwrap_or(0.0)
    }
}

/// All rows of the group, with topics in a folder and in Kafka.
pub fn rows(dir: &Path, kafka: &Address, size: Size, mut progress: impl FnMut(&str)) -> Result<Vec<Ratio>, BenchError> {
    let few = |appends: usize| if size.quick { appends.min(20) } else { appends };
    let load = |cpu, rate, durability, rows_per_append, appends| Load { cpu, rate, durability, rows_per_append, appends: few(appends) };
    let loads = [
        load("log_cpu_none", "log_rate_none", Durability::None, 16_384, 300),
        load("log_cpu_small_none", "log_rate_small_none", Durability::None, 256, 4_000),
        load("log_cpu_batch", "log_rate_batch", Durability::Batch, 16_384, 60),
        load("log_cpu_small_batch", "log_rate_small_batch", Durability::Batch, 256, 400),
    ];
    // That it answers, before anything is measured.
    kafka.topics()?;
    let broker = match kafka {
        // Of several, each does a part.
        Address::Kafka { servers, .. } if !servers.contains(',') => Broker::at(servers),
        _ => None,
    };
    let mut ratios = Vec::new();
    for load in &loads {
        progress(load.cpu);
        ratios.extend(throughput(dir, kafka, broker, load, size)?);
    }
    for (id, durability) in [("log_e2e_none", Durability::None), ("log_e2e_batch", Durability::Batch)] {
        progress(id);
        ratios.push(end_to_end(id, &Address::Folder(dir.to_owned()), kafka, durability, size)?);
    }
    Ok(ratios)
}

fn throughput(dir: &Path, kafka: &Address, broker: Option<Broker>, load: &Load, size: Size) -> Result<[Ratio; 2], BenchError> {
    let batches = Pageviews::generate((load.rows_per_append * load.appends) as u64, 1, load.rows_per_append).batches;
    let embedded = Address::Folder(dir.to_owned());
    let (mut here, mut there, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..size.rounds {
        plain.push(written_plainly(dir, load, &batches)?);
        // In turn, and the order changes from round to round.
        for side in 0..2 {
            if (round + side) % 2 == 0 {
                here.push(once(&embedded, None, load, &batches)?);
            } else {
                there.push(once(kafka, broker, load, &batches)?);
            }
        }
    }
    let rows = (load.rows_per_append * load.appends) as f64;
    let per_million = |costs: &[Cost], of: fn(&Cost) -> f64| median(&costs.iter().map(|c| of(c) * 1e6 / rows).collect::<Vec<_>>());
    let rate = |costs: &[Cost]| median(&costs.iter().map(|c| rows / c.seconds / 1e6).collect::<Vec<_>>());
    let rounds = |of: fn(&Cost) -> f64| -> Vec<f64> { here.iter().zip(&there).map(|(h, t)| of(t) / of(h)).collect() };
    let (cpu, speed) = (rounds(Cost::cpu_s), rounds(|c| c.seconds));
    let whose = if broker.is_some() { "client and broker" } else { "client alone: the broker's process cannot be seen from here" };
    let of_broker = match broker {
        Some(_) => format!(" + broker {:.3}", per_million(&there, |c| c.broker_cpu_s.unwrap_or(f64::NAN))),
        None => String::new(),
    };
    let load_is = format!(
        "append {} events at a time and read all {:.1} million back, durability {}, embedded (no socket) against Kafka (over a socket)",
        load.rows_per_append,
        rows / 1e6,
        name_of(load.durability),
    );
    let cpu_detail = format!(
        "CPU-seconds per million: embedded {:.4}, of which {:.4} a plain file takes too; Kafka client {:.3}{of_broker}; against the client alone {:.1}×",
        per_million(&here, Cost::cpu_s),
        per_million(&plain, Cost::cpu_s),
        per_million(&there, |c| c.client_cpu_s),
        median(&rounds(|c| c.client_cpu_s)),
    );
    let rate_detail = format!("embedded {:.2}, Kafka {:.2} million rows/s", rate(&here), rate(&there));
    Ok([
        Ratio::of(load.cpu, format!("rows/s per CPU-second ({whose}): {load_is}"), 10.0, 20.0, cpu, cpu_detail),
        Ratio::of(load.rate, format!("rows/s: {load_is}"), 1.0, 5.0, speed, rate_detail),
    ])
}

/// Appends everything, one append acknowledged after the other, and reads it back.
fn once(place: &Address, broker: Option<Broker>, load: &Load, batches: &[RecordBatch]) -> Result<Cost, BenchError> {
    in_new_topic(place, load.durability, |topic| {
        let broker_before = broker.and_then(|b| b.cpu());
        let (cpu_before, start) = (meters::process_cpu_ns(), Instant::now());
        let writer = topic.writer()?;
        for batch in batches {
            writer.append_to(P0, batch, None)?;
        }
        let read = totals_of_log(topic)?;
        let seconds = start.elapsed().as_secs_f64();
        let client_cpu_s = (meters::process_cpu_ns() - cpu_before) as f64 / 1e9;
        let broker_cpu_s = broker_before.zip(broker.and_then(|b| b.cpu())).map(|(before, now)| (now - before).as_secs_f64());
        // It syncs, which durability `none` is not to pay for.
        writer.close()?;
        check(read, batches)?;
        Ok(Cost { seconds, client_cpu_s, broker_cpu_s })
    })
}

/// What no log can do without: writing the values to a file, with the same syncs.
fn written_plainly(dir: &Path, load: &Load, batches: &[RecordBatch]) -> Result<Cost, BenchError> {
    let path = dir.join("plain");
    let cpu_before = meters::process_cpu_ns();
    let seconds = write_plainly(&path, batches, load.durability == Durability::Batch)?.as_secs_f64();
    let client_cpu_s = (meters::process_cpu_ns() - cpu_before) as f64 / 1e9;
    std::fs::remove_file(path)?;
    Ok(Cost { seconds, client_cpu_s, broker_cpu_s: None })
}

/// Runs `f` with a topic that is made for it, and deleted after it.
fn in_new_topic<T>(place: &Address, durability: Durability, f: impl FnOnce(&Topic) -> Result<T, BenchError>) -> Result<T, BenchError> {
    let name = format!("twopath-bench-{}", std::process::id());
    let config = Pageviews::topic(&name, 1, durability);
    let topic = place.create_topic(TopicConfig { name: name.clone(), ..config })?;
    let done = f(&topic);
    drop(topic);
    let deleted = place.delete_topic(&name);
    if matches!(place, Address::Kafka { .. }) && deleted.is_ok() {
        gone(place, &name)?;
    }
    let done = done?;
    deleted?;
    Ok(done)
}

/// A cluster deletes a topic a moment after it said so.
fn gone(place: &Address, name: &str) -> Result<(), LogError> {
    let until = Instant::now() + Duration::from_secs(10);
    while place.topics()?.iter().any(|t| t == name) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn name_of(durability: Durability) -> &'static str {
    if durability == Durability::None { "none" } else { "batch" }
}

/// That what was read comes to what was appended.
fn check(read: (u64, i128), batches: &[RecordBatch]) -> Result<(), BenchError> {
    let appended = batches.iter().fold((0, 0), |(rows, sum), b| (rows + b.num_rows() as u64, sum + sum_of(b, DURATION_MS)));
    if read == appended {
        return Ok(());
    }
    Err(BenchError::Answers { bench: "log", left: format!("{read:?}"), right: format!("{appended:?}") })
}

/// Count of all rows, and the sum of a column.
fn totals_of_log(topic: &Topic) -> Result<(u64, i128), LogError> {
    let mut reader = topic.reader(P0, Start::First, None)?;
    let mut totals = (0, 0);
    while let Some(entry) = reader.next()? {
        if let Entry::Records(records) = entry {
            totals = (totals.0 + records.batch.num_rows() as u64, totals.1 + sum_of(&records.batch, DURATION_MS));
        }
    }
    Ok(totals)
}

fn sum_of(batch: &RecordBatch, column: usize) -> i128 {
    batch.column(column).as_primitive::<Int64Type>().values().iter().map(|v| i128::from(*v)).sum()
}

/// From the intended time of an append until a reader of the same process, which follows the tail, has its rows: the 99th percentile.
fn end_to_end(id: &'static str, embedded: &Address, kafka: &Address, durability: Durability, size: Size) -> Result<Ratio, BenchError> {
    let appends = if size.quick { 50 } else { 1_000 };
    let rounds = if size.quick { 1 } else { 3 };
    let batches = Pageviews::generate((ROWS_LATE * appends) as u64, 1, ROWS_LATE).batches;
    let late = |place| in_new_topic(place, durability, |topic| late_ns(topic, &batches));
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        here.push(late(embedded)?);
        there.push(late(kafka)?);
    }
    let us = |all: &[Histogram<u64>], q: f64| median(&all.iter().map(|h| h.value_at_quantile(q) as f64 / 1e3).collect::<Vec<_>>());
    let ratios: Vec<f64> =
        here.iter().zip(&there).map(|(h, t)| t.value_at_quantile(0.99) as f64 / h.value_at_quantile(0.99) as f64).collect();
    let what = format!(
        "p99 from append to read, {ROWS_LATE} events every {} ms, durability {}, embedded (no socket) against Kafka (over a socket)",
        EVERY.as_millis(),
        name_of(durability),
    );
    let detail = format!(
        "embedded p50 {:.0} µs, p99 {:.0} µs; Kafka p50 {:.0} µs, p99 {:.0} µs",
        us(&here, 0.5),
        us(&here, 0.99),
        us(&there, 0.5),
        us(&there, 0.99)
    );
    Ok(Ratio::of(id, what, 1.0, 5.0, ratios, detail))
}

fn late_ns(topic: &Topic, batches: &[RecordBatch]) -> Result<Histogram<u64>, BenchError> {
    let writer = topic.writer()?;
    let (tail, mut reader) = (topic.tail()?, topic.reader(P0, Start::First, None)?);
    let rows: u64 = batches.iter().map(|b| b.num_rows() as u64).sum();
    // Time for the reader to fall asleep at the end.
    let start = Instant::now() + 25 * EVERY;
    let failed = AtomicBool::new(false);
    let follow = || -> Result<(Histogram<u64>, (u64, i128)), LogError> {
        let mut late = histogram_ns();
        let mut totals = (0, 0);
        while totals.0 < rows && !failed.load(Ordering::Relaxed) {
            let seen = tail.sequence();
            match reader.next()? {
                Some(Entry::Records(records)) => {
                    let intended = start + EVERY * (records.base.0 / ROWS_LATE as u64) as u32;
                    late.saturating_record(Instant::now().saturating_duration_since(intended).as_nanos() as u64);
                    totals = (totals.0 + records.batch.num_rows() as u64, totals.1 + sum_of(&records.batch, DURATION_MS));
                }
                Some(Entry::Barrier(_)) => {}
                None => tail.wait(seen, Duration::from_secs(1)),
            }
        }
        Ok((late, totals))
    };
    let (late, totals) = std::thread::scope(|scope| {
        let reader = scope.spawn(follow);
        let append = || {
            for (batch, i) in batches.iter().zip(0_u32..) {
                std::thread::sleep((start + EVERY * i).saturating_duration_since(Instant::now()));
                writer.append_to(P0, batch, None)?;
            }
            Ok::<_, LogError>(())
        };
        let appended = append().inspect_err(|_| failed.store(true, Ordering::Relaxed));
        let read = joined(reader);
        appended.and(read)
    })?;
    check(totals, batches)?;
    Ok(late)
}
