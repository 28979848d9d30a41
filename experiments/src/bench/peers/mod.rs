//! `twopath bench peers`: whole processes of Twopath against DuckDB's, polars', dbsp's, Flink's and Spark's, on the same rows.
//!
//! A row is one piece of work: each side does it in a process of its own, from the start of the program to its answer in a CSV file, in turn, round by round.
//! The answers must be the same to the last byte. What is compared are wall time, CPU and peak memory of the same round.

mod data;
mod freshness;
mod process;
mod works;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;
use twopath_events::workloads::built_in;

use super::{BenchError, median};
use freshness::Flink;
use process::{Cost, run as run_process};
use works::{DBSP, DBSP_CPU_AT_MOST, Data, FLINK, FRESHNESS_AT_MOST, IMPORTED, Ours, SPARK, WORKS, Work, nexmark_figures};

/// The peers' side, which a Python runs that has them.
const SCRIPT: &str = include_str!("peer.py");

/// Of a CSV import so much of the rows is read: as text they take long to make.
const CSV_PART: u64 = 7;
/// So many of NEXMark's events, each of which is as large as many rows.
const NEXMARK_PART: u64 = 20;

/// How many of the rows a work is about.
fn rows_of(work: &Work, rows: u64) -> u64 {
    match work.ours {
        Ours::Import { extension: "csv" } => (rows / CSV_PART).max(1),
        Ours::Nexmark { .. } => (rows / NEXMARK_PART).max(1),
        _ => rows,
    }
}

/// What `twopath bench peers` was asked for.
#[derive(Debug, Clone, Copy)]
pub struct PeersSetting<'a> {
    /// A folder to work in.
    pub dir: &'a Path,
    /// The `twopath` program.
    pub program: &'a Path,
    /// A Python that has DuckDB, polars, Flink and Spark.
    pub python: &'a Path,
    /// The program that has dbsp.
    pub dbsp: &'a Path,
    pub rows: u64,
    pub rounds: usize,
}

/// Ours against one peer's.
#[derive(Debug, Clone, Serialize)]
pub struct PeerRatio {
    pub id: &'static str,
    pub what: &'static str,
    pub peer: &'static str,
    pub rows: u64,
    /// Ours ÷ the peer's: medians of the rounds' ratios.
    pub wall: f64,
    pub cpu: f64,
    pub memory: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_at_most: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_at_most: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_at_most: Option<f64>,
    /// The same of how late 99 of 100 events were seen, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freshness: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freshness_at_most: Option<f64>,
    /// Of each round.
    pub ours: Vec<Cost>,
    pub peers: Vec<Cost>,
}

/// What `twopath bench peers --format json` prints.
#[derive(Debug, Serialize)]
pub struct PeersResult {
    pub ratios: Vec<PeerRatio>,
    /// Peers that are not there, each with how to get it.
    pub missing: Vec<String>,
}

/// The names that `--only` takes.
pub fn names() -> Vec<&'static str> {
    WORKS.iter().map(|w| w.name).collect()
}

/// Makes the rows and runs the works named in `only` (all, where it is empty); `progress` hears what is done.
///
/// # Errors
/// A process that fails; answers that differ.
pub fn run(setting: PeersSetting, only: &[String], mut progress: impl FnMut(&str)) -> Result<PeersResult, BenchError> {
    if let Some(name) = only.iter().find(|o| !names().contains(&o.as_str())) {
        return Err(BenchError::Unknown { name: name.clone(), known: names().join(", ") });
    }
    let bench = Bench::new(setting)?;
    let works: Vec<&Work> = WORKS.iter().filter(|w| only.is_empty() || only.iter().any(|o| o == w.name)).collect();
    let mut wanted: Vec<&'static str> = works.iter().flat_map(|w| w.peers).copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let (there, missing): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|peer| bench.has(peer));
    let missing = missing.into_iter().map(|peer| bench.how_to_get(peer)).collect();
    let mut ratios = Vec::new();
    for work in works {
        if !work.peers.is_empty() && work.peers.iter().all(|peer| !there.contains(peer)) {
            continue;
        }
        progress(&format!("{}: making the rows", work.name));
        bench.prepare(work)?;
        ratios.extend(bench.measure(work, &there, &mut progress)?);
    }
    Ok(PeersResult { ratios, missing })
}

struct Bench<'a> {
    setting: PeersSetting<'a>,
    script: PathBuf,
    /// Once it is compiled.
    flink: OnceCell<Flink>,
}

impl<'a> Bench<'a> {
    fn new(setting: PeersSetting<'a>) -> Result<Self, BenchError> {
        let script = setting.dir.join("peer.py");
        std::fs::write(&script, SCRIPT)?;
        Ok(Bench { setting, script, flink: OnceCell::new() })
    }

    /// The stream in Java, which the first round compiles.
    fn flink(&self) -> Result<&Flink, BenchError> {
        if let Some(flink) = self.flink.get() {
            return Ok(flink);
        }
        let flink = Flink::new(self.setting.python, self.setting.dir)?;
        Ok(self.flink.get_or_init(|| flink))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.setting.dir.join(name)
    }

    fn has(&self, peer: &str) -> bool {
        let there = self.path("there");
        match peer {
            DBSP => run_process(&mut Command::new(self.setting.dbsp), &there),
            _ => run_process(Command::new(self.setting.python).arg(&self.script).arg(peer), &there),
        }
        .is_ok()
    }

    fn how_to_get(&self, peer: &str) -> String {
        if peer == DBSP {
            return format!(
                "{} is not there, so that dbsp is left out: `cargo build --release --manifest-path experiments/benches/dbsp/Cargo.toml`, then --dbsp with the program that this makes",
                self.setting.dbsp.display()
            );
        }
        let (package, beside) = match peer {
            FLINK => ("apache-flink", " (and Java)"),
            SPARK => ("pyspark", " (and Java)"),
            other => (other, ""),
        };
        format!(
            "{} has no {peer}: `python3 -m venv peers && peers/bin/pip install {package}`{beside}, then --python peers/bin/python",
            self.setting.python.display()
        )
    }

    /// Makes the files and topics of a work that are not there yet.
    fn prepare(&self, work: &Work) -> Result<(), BenchError> {
        let rows = self.setting.rows;
        let is_new = |path: &Path| !path.exists();
        let (wide, pageviews, csv) = (self.path("wide.parquet"), self.path("pageviews.parquet"), self.path("pageviews.csv"));
        let nexmark = self.path("nexmark.parquet");
        match work.ours {
            Ours::Query { data: Data::Wide, .. } if is_new(&wide) => {
                data::wide(&wide, rows)?;
                self.import(&self.path("log"), "wide", &wide, 1)?;
            }
            Ours::Nexmark { .. } if is_new(&nexmark) => {
                data::nexmark(&nexmark, rows_of(work, rows))?;
                self.import(&self.path("log"), "nexmark", &nexmark, 1)?;
            }
            Ours::Import { extension: "csv" } if is_new(&csv) => data::pageviews_csv(&csv, rows_of(work, rows))?,
            Ours::Query { data: Data::Pageviews, .. } | Ours::Replay { .. } | Ours::Stream { .. } | Ours::Import { .. }
                if is_new(&pageviews) =>
            {
                data::pageviews(&pageviews, rows)?;
                self.import(&self.path("log"), "pageviews", &pageviews, 1)?;
            }
            _ => {}
        }
        if matches!(work.ours, Ours::Stream { .. }) && is_new(&self.path("pageviews-numbers.csv")) {
            data::pageviews_numbers(&self.path("pageviews-numbers.csv"), rows)?;
        }
        if matches!(work.ours, Ours::Replay { .. } | Ours::Stream { .. }) && is_new(&self.path("log2")) {
            self.import(&self.path("log2"), "pageviews", &pageviews, 2)?;
        }
        Ok(())
    }

    fn twopath(&self, log: &Path) -> Command {
        let mut command = Command::new(self.setting.program);
        command.arg("--dir").arg(log);
        command
    }

    fn import(&self, log: &Path, topic: &str, file: &Path, partitions: u32) -> Result<Cost, BenchError> {
        let mut command = self.twopath(log);
        command.args(["log", "import", topic, "--partitions", &partitions.to_string(), "--from"]).arg(file);
        run_process(&mut command, &self.path("said"))
    }

    fn query(&self, log: &str, sql: &str, engine: &[&str], out: &Path) -> Result<Cost, BenchError> {
        let mut command = self.twopath(&self.path(log));
        command.args(["query", "--format", "csv", "--sql", sql, "--engine"]).args(engine);
        run_process(&mut command, out)
    }

    fn peer(&self, peer: &str, work: &str, from: &Path, out: &Path, sql: Option<&str>) -> Result<Cost, BenchError> {
        let mut command = Command::new(self.setting.python);
        command.arg(&self.script).args([peer, work]).arg(from).arg(out).args(sql);
        run_process(&mut command, &self.path("said"))
    }

    /// All rounds of a work, and what each peer that is there makes of it.
    fn measure(&self, work: &Work, there: &[&'static str], progress: &mut impl FnMut(&str)) -> Result<Vec<PeerRatio>, BenchError> {
        let peers: Vec<&'static str> = match work.ours {
            Ours::Replay { .. } => vec!["1 worker, 1 partition"],
            _ => work.peers.iter().copied().filter(|peer| there.contains(peer)).collect(),
        };
        let sides = 1 + peers.len();
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); sides];
        for round in 0..self.setting.rounds {
            progress(&format!("{}: round {} of {}", work.name, round + 1, self.setting.rounds));
            // Another side begins each round.
            for side in (0..sides).map(|side| (side + round) % sides) {
                let out = self.path(&format!("answer-{side}"));
                let cost = match side.checked_sub(1) {
                    None => self.ours(work, &out)?,
                    Some(peer) => self.theirs(work, peers[peer], &out)?,
                };
                costs[side].push(cost);
            }
            let ours = std::fs::read(self.path("answer-0"))?;
            for (number, peer) in peers.iter().enumerate() {
                let theirs = std::fs::read(self.path(&format!("answer-{}", number + 1)))?;
                if ours != theirs {
                    return Err(BenchError::Peer(format!("{}: {}", work.name, difference(peer, &ours, &theirs))));
                }
            }
        }
        let ours = costs.remove(0);
        let is_seen = matches!(work.ours, Ours::Freshness { .. });
        let ratio = |number: usize, peer: &'static str| {
            let theirs = &costs[number];
            let of = |figure: fn(&Cost) -> f64| median(&ours.iter().zip(theirs).map(|(a, b)| figure(a) / figure(b)).collect::<Vec<_>>());
            PeerRatio {
                id: work.name,
                what: work.what,
                peer,
                rows: rows_of(work, self.setting.rows),
                wall: of(|c| c.wall_s),
                cpu: of(|c| c.cpu_s),
                memory: of(|c| c.peak_bytes as f64),
                wall_at_most: work.wall_at_most.filter(|_| number == 0),
                memory_at_most: work.memory_at_most.filter(|_| number == 0),
                cpu_at_most: (peer == DBSP).then_some(DBSP_CPU_AT_MOST),
                freshness: is_seen.then(|| of(|c| c.freshness_p99_ms.unwrap_or(f64::NAN))),
                freshness_at_most: is_seen.then_some(FRESHNESS_AT_MOST),
                ours: ours.clone(),
                peers: theirs.clone(),
            }
        };
        Ok(peers.iter().enumerate().map(|(number, peer)| ratio(number, peer)).collect())
    }

    fn ours(&self, work: &Work, out: &Path) -> Result<Cost, BenchError> {
        match work.ours {
            Ours::Query { sql, .. } => self.query("log", sql, &["batch"], out),
            Ours::Nexmark { query, engine } => self.query("log", &nexmark_sql(query), &[&format!("speed-{engine}")], out),
            Ours::Freshness { sql, rate, seconds } => {
                let seen = freshness::ours(self.setting.program, self.setting.dir, sql, (rate, seconds))?;
                std::fs::write(out, format!("{}\n", seen.events))?;
                Ok(seen.cost)
            }
            Ours::Replay { sql } | Ours::Stream { sql } => self.query("log2", sql, &["kappa", "--workers", "2"], out),
            Ours::Import { extension } => {
                let log = self.path("imported");
                let cost = self.import(&log, "pageviews", &self.path(&format!("pageviews.{extension}")), 1)?;
                self.query("imported", IMPORTED, &["batch"], out)?;
                std::fs::remove_dir_all(&log)?;
                Ok(cost)
            }
        }
    }

    fn theirs(&self, work: &Work, peer: &str, out: &Path) -> Result<Cost, BenchError> {
        match work.ours {
            Ours::Replay { sql } => self.query("log", sql, &["kappa", "--workers", "1"], out),
            Ours::Freshness { rate, seconds, .. } => {
                let seen = self.flink()?.seen(self.setting.dir, (rate, seconds))?;
                std::fs::write(out, format!("{}\n", seen.events))?;
                Ok(seen.cost)
            }
            Ours::Query { .. } | Ours::Stream { .. } => self.peer(peer, work.name, self.setting.dir, out, None),
            Ours::Nexmark { query, .. } if peer == DBSP => {
                run_process(Command::new(self.setting.dbsp).arg(query).arg(self.setting.dir).arg(out), &self.path("said"))
            }
            Ours::Nexmark { query, .. } => self.peer(peer, work.name, self.setting.dir, out, Some(&nexmark_sql(query))),
            Ours::Import { extension } => {
                let imported = self.path("imported.parquet");
                let cost = self.peer(peer, work.name, &self.path(&format!("pageviews.{extension}")), &imported, None)?;
                self.peer(peer, "imported", &imported, out, None)?;
                Ok(cost)
            }
        }
    }
}

/// A query of NEXMark's, of whose answer so much is put out.
fn nexmark_sql(query: &str) -> String {
    let workload = built_in("nexmark", 1).expect("a built-in workload");
    let published = workload.queries.iter().find(|q| q.name == query).expect("one of NEXMark's");
    format!("{} FROM ({}) answered", nexmark_figures(query), published.sql(1))
}

/// The first lines in which two answers differ.
fn difference(peer: &str, ours: &[u8], theirs: &[u8]) -> String {
    let lines = |text: &[u8]| -> Vec<String> { String::from_utf8_lossy(text).lines().map(str::to_owned).collect() };
    let (ours, theirs) = (lines(ours), lines(theirs));
    let at = (0..ours.len().max(theirs.len())).find(|&i| ours.get(i) != theirs.get(i)).unwrap_or(0);
    let line = |of: &[String]| of.get(at).cloned().unwrap_or_else(|| "nothing".into());
    format!("line {} is '{}' here and '{}' with {peer}", at + 1, line(&ours), line(&theirs))
}
