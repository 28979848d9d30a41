//! A made-up result of the right shape, for the tests of what is made of results. Never shown to anybody as a measurement.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::code::{CodeFile, Language};
use crate::conclude;
use crate::prices::{charge, read_prices};
use crate::result::*;

const ARCHITECTURES: [&str; 4] = ["batch", "lambda", "lambda-sql", "kappa"];

/// Four architectures, three repeats, the code change in the middle.
pub fn sample() -> CompareResult {
    static MADE: std::sync::OnceLock<CompareResult> = std::sync::OnceLock::new();
    MADE.get_or_init(make).clone()
}

fn make() -> CompareResult {
    let prices = read_prices(None).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let runs: Vec<RunResult> =
        (0..3).flat_map(|repeat| ARCHITECTURES.map(|name| (name, repeat))).map(|(name, repeat)| run(name, repeat, &mut rng)).collect();
    let mut result = CompareResult {
        schema_version: SCHEMA_VERSION,
        provenance: Provenance {
            commit: "0123456789abcdef0123456789abcdef01234567+dirty".into(),
            version: "0.1.0".into(),
            seed: 1,
            versions: BTreeMap::from([
                ("polars".into(), "0.55.2".into()),
                ("timely".into(), "0.32.0".into()),
                ("arrow".into(), "60.1.0".into()),
            ]),
            machine: Machine {
                cpu: "A sample of a processor".into(),
                cores: 2,
                memory_bytes: 8 << 30,
                os: "Sample Linux".into(),
                kernel: "6.0".into(),
                filesystem: "ext4".into(),
            },
            durability: "none".into(),
            threads: BTreeMap::from([("timely".into(), 1), ("polars".into(), 2)]),
            progress_mode: "demand".into(),
            started: "2026-01-01T00:00:00Z".into(),
            command: "twopath compare".into(),
        },
        settings: Settings {
            incremental: false,
            speed_lateness_ms: None,
            workload: "flights".into(),
            architectures: ARCHITECTURES.map(String::from).to_vec(),
            systems: ARCHITECTURES.map(system).to_vec(),
            rate: 4000.0,
            duration_s: 8.0,
            repeats: 3,
            partitions: 2,
            workers: 1,
            log: None,
            events_history: 304_776,
            history: HistorySource::Recorded,
            events_ignored: 0,
            left_out: vec![],
            events_steady: 32_000,
            batch_interval_ms: 2000.0,
            publish_interval_ms: 1.0,
            state: "memory".into(),
            checkpoint_interval_ms: None,
            sql_v1: "SELECT origin, COUNT(*) FROM flights GROUP BY origin".into(),
            sql_v2: "SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin".into(),
            prices,
            month: Month::default(),
        },
        runs,
        questions: vec![],
        effects: vec![],
        sweep: None,
        recommendation: vec![],
        findings: vec![],
        complete: true,
    };
    let settings = result.settings.clone();
    result.runs.iter_mut().for_each(|run| charge(run, &settings));
    conclude(&mut result);
    result
}

/// The same with a sweep over histories, in which kappa and lambda change places.
pub fn swept() -> CompareResult {
    let mut result = sample();
    let at = |history: f64| {
        let mut result = sample();
        for run in &mut result.runs {
            let wobble = 1.0 + 0.02 * (f64::from(run.repeat) - 1.0);
            let grows = if run.system == "kappa" { 0.2 + history / 4e6 } else { 1.1 + history / 3e7 };
            run.time_to_correct_ms = Some(1000.0 * grows * wobble);
        }
        (history, result)
    };
    let points = [3e5, 1e6, 3e6, 1e7, 3e7].map(at);
    result.sweep = Some(crate::sweep::sweep("history", &points.each_ref().map(|(value, result)| (*value, result))));
    conclude(&mut result);
    result
}

/// What is written for each: whole files in both versions.
fn files(name: &str) -> Vec<CodeFile> {
    let file = |layers: &[&str], name: &str, language, v1: &str, v2: &str| CodeFile {
        layers: layers.iter().map(ToString::to_string).collect(),
        name: name.into(),
        language,
        v1: v1.into(),
        v2: v2.into(),
    };
    let prelude = "pub fn column(batch: &Batch, name: &str) -> Vec<i64> {\n    batch.column(name).values().to_vec()\n}\n";
    let polars = |delay: &str| {
        format!(
            "pub fn delays(flights: LazyFrame) -> LazyFrame {{\n    let delay = {delay};\n    flights\n        .filter(col(\"dep\").is_not_null())\n        .group_by([col(\"origin\")])\n        .agg([delay.clone().sum(), delay.count()])\n}}\n"
        )
    };
    let timely = |delay: &str, result: &str| {
        format!(
            "pub fn delays(flights: &Stream) -> Groups {{\n    let mut groups = Groups::new();\n    for flight in flights {{\n        let Some(dep) = flight.dep else {{ continue }};\n        let delay = {delay};\n        groups.entry(flight.origin).add({result});\n    }}\n    groups\n}}\n"
        )
    };
    let (polars_v1, polars_v2) = (polars("col(\"dep\") - col(\"sched\")"), polars("minutes(col(\"dep\")) - minutes(col(\"sched\"))"));
    let (bug, fix) = ("dep - flight.sched", "minutes(dep) - minutes(flight.sched)");
    let merge = "/// How parts merge, and how they finish.\npub fn merge(a: Part, b: Part) -> Part {\n    Part { sum: a.sum + b.sum, count: a.count + b.count }\n}\n\npub fn finish(part: Part) -> f64 {\n    part.sum as f64 / part.count as f64\n}\n";
    let rust = Language::Rust;
    let batch = || {
        vec![
            file(&["batch"], "batch: delays_vN.rs", rust, &polars_v1, &polars_v2),
            file(&["batch"], "batch: prelude.rs", rust, prelude, prelude),
        ]
    };
    match name {
        "batch" => batch(),
        "lambda" => {
            let mut files = batch();
            files.push(file(&["speed"], "speed: delays_vN.rs", rust, &timely(bug, "sum, 1"), &timely(fix, "sum, 1")));
            files.push(file(&["serving"], "serving: delays.rs", rust, merge, merge));
            files
        }
        "kappa" => vec![file(&["speed"], "speed: delays_vN.rs", rust, &timely(bug, "mean"), &timely(fix, "mean"))],
        _ => vec![file(
            &["batch", "speed"],
            "delays_vN.sql",
            Language::Sql,
            "SELECT origin, AVG(delay)\nFROM (SELECT origin, dep - sched AS delay FROM flights)\nGROUP BY origin",
            "SELECT origin, AVG(delay)\nFROM (SELECT origin, CASE WHEN dep < sched THEN dep - sched + 1440 ELSE dep - sched END AS delay FROM flights)\nGROUP BY origin",
        )],
    }
}

fn system(name: &str) -> ComparedSystem {
    let (wiring, language) = name.split_once("-sql").map_or((name, "hand"), |(wiring, _)| (wiring, "sql"));
    ComparedSystem {
        name: name.into(),
        architecture: name.into(),
        wiring: wiring.into(),
        batch_engine: (wiring != "kappa").then(|| "polars".into()),
        speed_engine: (wiring != "batch").then(|| "timely".into()),
        language: Some(language.into()),
    }
}

fn run(name: &str, repeat: u32, rng: &mut ChaCha8Rng) -> RunResult {
    let mut about = |value: f64| value * rng.random_range(0.94..1.06);
    let (batch, speed) = (name != "kappa", name != "batch");
    let base = if speed { about(1.4) } else { about(1100.0) };
    let quantiles = |p50: f64, tail: f64, count| Quantiles {
        p50,
        p90: p50 * (1.0 + 0.3 * tail),
        p99: p50 * (1.0 + tail),
        p999: p50 * (1.0 + 2.0 * tail),
        max: p50 * (1.0 + 3.0 * tail),
        mean: p50 * 1.1,
        count,
    };
    let (deploy, corrected) = (4000.0, about(if batch { 5200.0 } else { 4450.0 }));
    let mut marks = vec![Mark { what: Happening::Deploy { version: 2 }, at_ms: deploy, until_ms: None }];
    if batch {
        marks.extend((0..4).map(|i| {
            let at_ms = f64::from(i) * 2000.0 + 300.0;
            Mark {
                what: Happening::BatchRun { version: 1 + i / 2, barrier: u64::from(i) + 1, events: 304_776, view_bytes: 500_000 },
                at_ms,
                until_ms: Some(at_ms + about(500.0)),
            }
        }));
    } else {
        marks.push(Mark { what: Happening::CatchUp { version: 2, events: 320_776 }, at_ms: deploy, until_ms: Some(corrected - 10.0) });
        marks.push(Mark { what: Happening::Cutover { version: 2 }, at_ms: corrected - 5.0, until_ms: None });
    }
    marks.push(Mark { what: Happening::Corrected, at_ms: corrected, until_ms: None });
    let percentiles = |base: f64, tail: f64| -> Vec<[f64; 2]> {
        [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99]
            .map(|p: f64| [p, base * (1.0 + tail * (1.0 / (1.0 - p / 100.0)).log10() / 2.0)])
            .to_vec()
    };
    let bins = 80;
    let series = Series {
        freshness: (0..bins)
            .map(|i| {
                let at_ms = f64::from(i) * 100.0;
                let p50 = if speed {
                    about(base) * if !batch && at_ms >= deploy && at_ms < corrected { 6.0 } else { 1.0 }
                } else {
                    500.0 + 2000.0 - (at_ms + 1700.0) % 2000.0
                };
                FreshnessBin {
                    at_ms,
                    p50_ms: p50,
                    p99_ms: p50 * if speed { about(2.2) } else { 1.04 },
                    max_ms: p50 * if speed { 3.0 } else { 1.05 },
                }
            })
            .collect(),
        answers: (0..bins)
            .map(|i| {
                let at_ms = f64::from(i) * 100.0;
                let wrong = if at_ms < corrected { about(21.0) as u64 } else { 0 };
                AnswersBin { at_ms, checked: 50, wrong, outdated: if speed { wrong } else { wrong.max(30) } }
            })
            .collect(),
        reads: (0..bins)
            .map(|i| {
                let at_ms = f64::from(i) * 100.0;
                let p50_ms = about(0.02) * if at_ms >= deploy && at_ms < corrected { 3.0 } else { 1.0 };
                ReadsBin { at_ms, count: 50, p50_ms, p99_ms: p50_ms * 4.0, max_ms: p50_ms * 9.0 }
            })
            .collect(),
        storage: (0..bins)
            .map(|i| {
                let at_ms = f64::from(i) * 100.0;
                let beside = if at_ms >= deploy && at_ms < corrected { if batch { 900_000 } else { 4_000_000 } } else { 0 };
                StorageBin { at_ms, bytes: 5_000_000 + beside }
            })
            .collect(),
        cpu: (0..bins).map(|i| CpuBin { at_ms: f64::from(i) * 100.0, cores: about(0.3) }).collect(),
        freshness_percentiles: percentiles(base, if speed { 2.0 } else { 0.9 }),
        query_latency_percentiles: percentiles(about(0.02), 3.0),
        freshness_hdr: "HISTFAAA".into(),
        query_latency_hdr: "HISTFAAA".into(),
    };
    let code = crate::code::count(&files(name)).unwrap();
    let by_layer: BTreeMap<String, f64> = [
        ("log", 0.1),
        ("batch", if batch { 2.4 } else { 0.0 }),
        ("speed", if speed { 0.9 } else { 0.0 }),
        ("serving", 0.15),
        ("load", 0.5),
    ]
    .into_iter()
    .filter(|(_, value)| *value > 0.0)
    .map(|(layer, value)| (layer.to_string(), about(value)))
    .collect();
    let cpu = |speed: f64, batch: f64| BTreeMap::from([("speed".to_string(), speed), ("batch".to_string(), batch)]);
    RunResult {
        system: name.into(),
        architecture: name.into(),
        wiring: system(name).wiring,
        batch_engine: system(name).batch_engine,
        speed_engine: system(name).speed_engine,
        language: system(name).language,
        repeat,
        outcome: Outcome::Ok,
        events: 336_776,
        duration_ms: 8000.0,
        freshness_ms: quantiles(base, if speed { 2.0 } else { 0.9 }, 32_000),
        events_never_covered: 0,
        query_latency_ms: quantiles(about(0.02), 3.0, 4000),
        staleness_ms: quantiles(if speed { about(1.0) } else { about(1200.0) }, 1.0, 4000),
        answers: Answers {
            checked: 4000,
            wrong: about(if batch { 1100.0 } else { 940.0 }) as u64,
            wrong_engine: 0,
            outdated: about(if speed { 1000.0 } else { 2600.0 }) as u64,
            wrong_for_ms: corrected - deploy,
            error_mean: 212.0,
            error_max: 1440.0,
            approximate: None,
        },
        time_to_correct_ms: Some(corrected - deploy),
        extra_storage_bytes_max: about(if batch { 900_000.0 } else { 4_000_000.0 }) as u64,
        cost: Cost {
            cpu_s_per_million_events: LayerCost {
                total: by_layer.iter().filter(|(layer, _)| *layer != "load").map(|(_, cpu)| cpu).sum(),
                by_layer,
            },
            rss_bytes_max: about(180e6) as u64,
            bytes_written: about(40e6) as u64,
            bytes_read: about(10e6) as u64,
            log_bytes: 38_000_000,
            view_bytes: if batch { about(2e6) as u64 } else { 0 },
            state_bytes: about(3e6) as u64,
            log_bytes_per_event_at_rest: Some(112.0),
            phases: Some(Phases {
                load: PhaseCosts { duration_ms: 600.0, events: 304_776, cpu_s: cpu(0.4, 0.0), bytes_written: 34_000_000 },
                live: PhaseCosts {
                    duration_ms: 7000.0,
                    events: 28_000,
                    cpu_s: cpu(0.2, if batch { 0.6 } else { 0.0 }),
                    bytes_written: 5_000_000,
                },
                change: PhaseCosts {
                    duration_ms: 1000.0,
                    events: 4000,
                    cpu_s: cpu(if batch { 0.08 } else { 0.45 }, if batch { 0.25 } else { 0.0 }),
                    bytes_written: 1_000_000,
                },
            }),
            ..Cost::default()
        },
        code,
        kept_up: KeptUp::KeptUp,
        series,
        marks,
        samples: vec![],
    }
}
