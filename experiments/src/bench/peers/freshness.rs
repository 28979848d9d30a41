//! How late events are seen: by `twopath compare`, and by a Flink stream of a program in Java.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::super::BenchError;
use super::process::{Cost, run};

/// The stream in Java.
const PROGRAM: &str = include_str!("../../../benches/flink/Freshness.java");
const CLASS: &str = "Freshness";

/// What a run said.
pub struct Seen {
    /// Of how many events.
    pub events: u64,
    pub cost: Cost,
}

/// Kappa from SQL, events coming at this rate.
pub fn ours(program: &Path, dir: &Path, sql: &str, (rate, seconds): (u64, u64)) -> Result<Seen, BenchError> {
    let (folder, said) = (dir.join("freshness"), dir.join("said"));
    let mut command = Command::new(program);
    command.arg("--dir").arg(&folder).args(["compare", "--workload", "pageviews", "--architectures", "kappa-sql", "--history", "0"]);
    command.args(["--rate", &rate.to_string(), "--duration", &format!("{seconds}s"), "--repeats", "1", "--sql", sql, "--format", "json"]);
    let cost = run(command.arg("--out").arg(folder.join("result")), &said)?;
    let result: Value = serde_json::from_slice(&std::fs::read(&said)?).map_err(|e| BenchError::Peer(format!("compare: {e}")))?;
    std::fs::remove_dir_all(&folder)?;
    let one = &result["runs"][0];
    let number = |value: &Value| value.as_u64().ok_or_else(|| BenchError::Peer("compare says no such figure".into()));
    if number(&one["answers"]["wrong_engine"])? + number(&one["events_never_covered"])? > 0 || one["outcome"]["kind"] != "ok" {
        return Err(BenchError::Peer(format!("compare: {}, {}", one["outcome"], one["answers"])));
    }
    let p99 = one["freshness_ms"]["p99"].as_f64();
    Ok(Seen { events: number(&one["freshness_ms"]["count"])?, cost: Cost { freshness_p99_ms: p99, ..cost } })
}

/// Flink's DataStream, whose classes a Python package has beside it.
pub struct Flink {
    /// Where Java finds classes.
    classes: String,
}

impl Flink {
    /// Compiles the program, with the classes of the `pyflink` that this Python has.
    pub fn new(python: &Path, dir: &Path) -> Result<Self, BenchError> {
        let said = dir.join("said");
        let package = "import os, pyflink; print(os.path.join(os.path.dirname(pyflink.__file__), 'lib', '*'))";
        run(Command::new(python).args(["-c", package]), &said)?;
        let library = std::fs::read_to_string(&said)?.trim().to_owned();
        let (source, compiled): (PathBuf, PathBuf) = (dir.join(format!("{CLASS}.java")), dir.join("classes"));
        std::fs::write(&source, PROGRAM)?;
        run(Command::new("javac").args(["-nowarn", "-cp", &library, "-d"]).arg(&compiled).arg(&source), &said)?;
        Ok(Flink { classes: format!("{}:{library}", compiled.display()) })
    }

    pub fn seen(&self, dir: &Path, (rate, seconds): (u64, u64)) -> Result<Seen, BenchError> {
        let said = dir.join("said");
        let mut command = Command::new("java");
        for package in ["java.base/java.util", "java.base/java.lang"] {
            command.args(["--add-opens", &format!("{package}=ALL-UNNAMED")]);
        }
        // Three gigabytes, as its documentation gives a task manager; and no word about its own logging.
        command.args(["-Xmx3g", "-Dlog4j2.level=OFF", "-cp", &self.classes, CLASS, &rate.to_string(), &seconds.to_string(), "1"]);
        let cost = run(&mut command, &said)?;
        let said = std::fs::read_to_string(&said)?;
        let figures: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [events, _, p99, _] = figures[..] else { return Err(BenchError::Peer(format!("the stream in Java said {said:?}"))) };
        Ok(Seen { events: events as u64, cost: Cost { freshness_p99_ms: Some(p99), ..cost } })
    }
}
