//! What was asked for: checked, and put into the words of a run and of the result.

use std::collections::BTreeSet;
use std::path::Path;

use twopath_log::Address;

use super::folder::Folder;
use super::{CompareError, CompareSettings, topics};
use crate::harness::plan::PlannedRun;
use crate::harness::spec::{FULL_READ_RATE, READ_RATE, RunSpec, WorkloadSpec};
use twopath_events::workloads::built_in;
use twopath_results::result::{Prices, Settings};

/// The architectures that can be asked for, as the design names them.
pub const ARCHITECTURES: [&str; 6] = ["batch", "lambda", "lambda-sql", "lambda-timely", "kappa", "kappa-backfill"];

/// Events loaded before the steady phase where the workload has no end: enough for a batch run that takes a while.
const HISTORY_OF_ENDLESS: u64 = 2_000_000;

/// The workload as the children get it.
pub struct Asked {
    workload: WorkloadSpec,
    name: String,
    events_history: u64,
    events_steady: u64,
    sql_v1: String,
    sql_v2: String,
}

/// Refuses what no run could be made of.
pub fn check(settings: &CompareSettings) -> Result<(), CompareError> {
    let refuse = |option, value: String, problem: &str| Err(CompareError::Setting { option, value, problem: problem.into() });
    let mut seen = BTreeSet::new();
    for name in &settings.architectures {
        if !ARCHITECTURES.contains(&name.as_str()) {
            return refuse(
                "--architectures",
                name.clone(),
                &format!("there is no such architecture; choose from {}", ARCHITECTURES.join(", ")),
            );
        }
        if !seen.insert(name) {
            return refuse("--architectures", name.clone(), "is given twice; for more runs of it use --repeats");
        }
    }
    let counts = [
        ("--architectures", settings.architectures.len() as u64),
        ("--repeats", u64::from(settings.repeats)),
        ("--partitions", u64::from(settings.partitions)),
        ("--workers", settings.workers as u64),
    ];
    for (option, count) in counts {
        if count == 0 {
            return refuse(option, "0".into(), "one or more is needed");
        }
    }
    if !(settings.rate.is_finite() && settings.rate > 0.0) {
        return refuse("--rate", settings.rate.to_string(), "give the events per second, more than 0");
    }
    if settings.duration.is_zero() {
        return refuse("--duration", "0".into(), "give the seconds of the steady phase, more than 0");
    }
    if let Some(place) = &settings.log
        && place.named_topic().is_none()
    {
        return refuse("--log", place.to_string(), "say how the names of the topics that it makes begin: kafka://HOST:PORT/PREFIX");
    }
    if settings.events.is_none() && settings.time_column.is_some() {
        return refuse(
            "--time-column",
            settings.time_column.clone().unwrap_or_default(),
            "goes with --events FILE; the built-in workloads know their own",
        );
    }
    Ok(())
}

impl Asked {
    pub fn new(settings: &CompareSettings) -> Result<Self, CompareError> {
        let steady = (settings.rate * settings.duration.as_secs_f64()).round() as u64;
        if let Some(events) = &settings.events {
            let Some(sql) = &settings.sql else {
                return Err(CompareError::Setting {
                    option: "--events",
                    value: events.display().to_string(),
                    problem: "needs the query to ask of them: give --sql TEXT_OR_FILE".into(),
                });
            };
            let sql = text_or_file(sql)?;
            return Ok(Asked {
                workload: WorkloadSpec::Own { events: events.clone(), time_column: settings.time_column.clone(), sql: sql.clone() },
                name: settings
                    .events
                    .as_deref()
                    .and_then(Path::file_stem)
                    .map_or("events".into(), |stem| stem.to_string_lossy().into_owned()),
                events_history: 0,
                events_steady: steady,
                sql_v1: sql.clone(),
                sql_v2: sql,
            });
        }
        let workload = built_in(&settings.workload, settings.seed)?;
        let query = workload.query(settings.sql.as_deref())?;
        let (events_history, events_steady) = match workload.events() {
            None => (HISTORY_OF_ENDLESS, steady),
            Some(all) => (all.saturating_sub(steady), steady.min(all)),
        };
        Ok(Asked {
            workload: WorkloadSpec::BuiltIn { name: settings.workload.clone(), query: query.name.clone() },
            name: settings.workload.clone(),
            events_history,
            events_steady,
            sql_v1: query.sql(1).to_string(),
            sql_v2: query.sql(2).to_string(),
        })
    }

    /// For the result.
    pub fn settings(&self, settings: &CompareSettings, prices: Prices) -> Settings {
        Settings {
            workload: self.name.clone(),
            architectures: settings.architectures.clone(),
            rate: settings.rate,
            duration_s: settings.duration.as_secs_f64(),
            repeats: settings.repeats,
            partitions: settings.partitions,
            workers: settings.workers,
            log: settings.log.as_ref().map(Address::to_string),
            events_history: self.events_history,
            events_steady: self.events_steady,
            batch_interval_ms: settings.batch_interval.as_secs_f64() * 1e3,
            publish_interval_ms: settings.publish_interval.as_secs_f64() * 1e3,
            sql_v1: self.sql_v1.clone(),
            sql_v2: self.sql_v2.clone(),
            prices,
        }
    }

    /// For one child.
    pub fn spec(&self, settings: &CompareSettings, planned: &PlannedRun, said: &Settings, folder: &Folder) -> RunSpec {
        let (dir, out) = folder.places(&planned.architecture, planned.repeat);
        RunSpec {
            architecture: planned.architecture.clone(),
            repeat: planned.repeat,
            seed: settings.seed.wrapping_add(u64::from(planned.repeat)),
            workload: self.workload.clone(),
            rate: said.rate,
            duration_s: said.duration_s,
            events_history: said.events_history,
            partitions: said.partitions,
            workers: said.workers,
            durability: settings.durability,
            log: settings.log.as_ref().map(|place| topics::of_run(place, planned)),
            batch_interval_ms: said.batch_interval_ms,
            publish_interval_ms: said.publish_interval_ms,
            read_rate: READ_RATE,
            full_read_rate: FULL_READ_RATE,
            dir,
            out,
            prices: said.prices.clone(),
        }
    }
}

/// The text itself, or the content of the file of that name.
fn text_or_file(sql: &str) -> Result<String, CompareError> {
    let file = Path::new(sql);
    if !file.is_file() {
        return Ok(sql.to_string());
    }
    std::fs::read_to_string(file).map_err(|e| CompareError::Setting {
        option: "--sql",
        value: sql.into(),
        problem: format!("cannot be read: {e}"),
    })
}
