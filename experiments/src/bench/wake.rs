//! How soon a reader that sleeps at the tail has what was appended: one of this process, and another process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use twopath_base::PartitionId;
use twopath_log::{Durability, Log, LogError, Start, Topic};

use super::events::Pageviews;
use super::{BenchError, Ratio, Setting, histogram_ns, joined, median, same};

const P0: PartitionId = PartitionId(0);
const TOPIC: &str = "pageviews";
/// Long enough for the reader to be asleep.
const PAUSE: Duration = Duration::from_micros(500);

/// From just before an append until a reader of the same process, which sleeps at the tail, has the record.
pub fn in_process(setting: Setting) -> Result<Vec<Ratio>, BenchError> {
    let what = "waking a tail reader of the same process, p99, the append itself among it";
    Ok(vec![row(setting, "wake", what, (100.0, 50.0), |_, topic, appends| woken_ns(topic, appends))?])
}

/// From just before an append until `twopath log cat --follow`, which sleeps at the tail, has printed the record and this process has read it.
pub fn across_processes(setting: Setting) -> Result<Vec<Ratio>, BenchError> {
    let what = "another process, which follows the tail and prints what comes, p99, from before the append until its line was read";
    let printed = |home: &Path, topic: &Topic, appends| printed_ns(setting.program, home, topic, appends);
    Ok(vec![row(setting, "wake_across", what, (500.0, 250.0), printed)?])
}

/// The 99th percentile of what `late_ns` measures, in microseconds, in several rounds with a new topic each.
fn row(
    Setting { dir, size, .. }: Setting,
    id: &'static str,
    what: &str,
    (floor, aim): (f64, f64),
    late_ns: impl Fn(&Path, &Topic, u64) -> Result<Histogram<u64>, BenchError>,
) -> Result<Ratio, BenchError> {
    let (appends, rounds) = if size.quick { (100, 1) } else { (3_000, 3) };
    let mut p99_us = Vec::new();
    let mut detail = Vec::new();
    for round in 0..rounds {
        let home = dir.join(format!("{round}"));
        let topic = Log::open(&home)?.create_topic(Pageviews::topic(TOPIC, 1, Durability::None))?;
        let late = late_ns(&home, &topic, appends)?;
        let us = |q: f64| late.value_at_quantile(q) as f64 / 1e3;
        detail.push(format!("p50 {:.0} µs, p99 {:.0} µs, max {:.0} µs", us(0.5), us(0.99), us(1.0)));
        p99_us.push(us(0.99));
        std::fs::remove_dir_all(home)?;
    }
    Ok(Ratio {
        id,
        what: what.to_owned(),
        ratio: median(&p99_us),
        rounds: p99_us,
        floor,
        aim,
        unit: Some("µs"),
        lower_is_better: true,
        detail: detail.join("; "),
    })
}

fn woken_ns(topic: &Topic, appends: u64) -> Result<Histogram<u64>, BenchError> {
    let batch = Pageviews::generate(1, 1, 1).batches.swap_remove(0);
    let start = Instant::now();
    let sent_ns = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| -> Result<Histogram<u64>, LogError> {
            let (tail, mut reader) = (topic.tail()?, topic.reader(P0, Start::First, None)?);
            let mut woken = histogram_ns();
            while woken.len() < appends {
                let seen = tail.sequence();
                match reader.next()? {
                    Some(_) => woken.saturating_record((start.elapsed().as_nanos() as u64).saturating_sub(sent_ns.load(Ordering::SeqCst))),
                    None => tail.wait(seen, Duration::from_secs(10)),
                }
            }
            Ok(woken)
        });
        let writer = topic.writer()?;
        for _ in 0..appends {
            std::thread::sleep(PAUSE);
            sent_ns.store(start.elapsed().as_nanos() as u64, Ordering::SeqCst);
            writer.append_to(P0, &batch, None)?;
        }
        let woken = joined(reader)?;
        same("wake", woken.len(), topic.end()?.records())?;
        Ok(woken)
    })
}

/// A child that is killed when it is let go of.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn printed_ns(program: &Path, home: &Path, topic: &Topic, appends: u64) -> Result<Histogram<u64>, BenchError> {
    let events = Pageviews::generate(appends + 1, 1, 1).batches;
    let mut command = Command::new(program);
    command.arg("--dir").arg(home).args(["log", "cat", TOPIC, "--follow", "--with-offsets"]);
    let mut follower = Follower(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    let mut lines = BufReader::new(follower.0.stdout.take().expect("it is piped")).lines();
    let writer = topic.writer()?;
    let mut late = histogram_ns();
    for (event, offset) in events.iter().zip(0_u64..) {
        std::thread::sleep(PAUSE);
        let sent = Instant::now();
        writer.append_to(P0, event, None)?;
        let line = lines.next().ok_or_else(|| std::io::Error::other("`twopath log cat --follow` ended before it was told to"))??;
        let took = sent.elapsed();
        let found = serde_json::from_str::<serde_json::Value>(&line).map_err(std::io::Error::from)?["_offset"].as_u64();
        if found != Some(offset) {
            return Err(BenchError::Answers { bench: "wake_across", left: line, right: format!("the event with offset {offset}") });
        }
        // The first one waits for the other process to start.
        if offset > 0 {
            late.saturating_record(took.as_nanos() as u64);
        }
    }
    same("wake_across", late.len() + 1, topic.end()?.records())?;
    Ok(late)
}
