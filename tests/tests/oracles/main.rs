//! The 112 cases in `tests/oracles`: rows that the tests of other stream processors expect, asked of the reference and of every engine.
//!
//! Each table of a case is a topic of two partitions: a keyed one is a keyed topic, in which a deletion is a tombstone. The rows of a step arrive at one moment, one
//! second after those of the step before. After each step that is checked the case's query (`tests/oracles/queries`) is answered over the log as it then is; and jobs are stopped at a checkpoint
//! after each step, and resumed by 2 and 3 workers in turn.

mod case;
mod engines;
mod expected;
mod resumed;
mod rows;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use twopath_base::clock::ManualClock;
use twopath_log::{Log, Topic};
use twopath_query::{TopicSchema, logical_plan_over};
use twopath_storage::OsStorage;

use case::Case;
use resumed::Resumed;
use table::Table;

/// What cannot be asked yet, and why not.
const LEFT_OUT: [(&str, &str); 2] = [
    (
        "late-delete-fe",
        "whether a deletion is late depends on the row that it removes, and so on which changes before it were late: a recursion",
    ),
    (
        "late-upsert-fe",
        "whether an update is late depends on the row that it replaces, and so on which changes before it were late: a recursion",
    ),
];

/// What an engine says that it cannot do: correlations.
const REFUSED: [(&str, &str); 1] = [("batch polars", "arroyo-every-aggregate")];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles")
}

#[test]
fn windows_late_rows_and_joins() {
    run("windows", 75);
}

#[test]
fn nexmark() {
    run("nexmark", 20);
}

#[test]
fn arroyo() {
    run("arroyo", 17);
}

/// Runs all cases of a collection, and says of each that fails what it is.
fn run(collection: &str, count: usize) {
    let only = std::env::var("CASE").ok();
    let cases: Vec<Case> = case::all(&folder()).into_iter().filter(|c| c.collection == collection).collect();
    assert_eq!(cases.len(), count);
    let mut failed = BTreeMap::new();
    for case in cases.iter().filter(|c| only.as_ref().is_none_or(|only| *only == c.id)) {
        let left_out = LEFT_OUT.iter().find(|(id, _)| *id == case.id);
        match (one(case), left_out) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(error), None) => drop(failed.insert(&case.id, error)),
            (Ok(()), Some(_)) => drop(failed.insert(&case.id, "passes, and is listed as one that cannot be asked".to_owned())),
        }
    }
    let shown: Vec<String> = failed.iter().map(|(id, error)| format!("{id}: {error}")).collect();
    assert!(shown.is_empty(), "{} of {} cases fail (CASE=id runs one alone):\n{}", shown.len(), cases.len(), shown.join("\n"));
}

fn one(case: &Case) -> Result<(), String> {
    let path = folder().join("queries").join(format!("{}.sql", case.id));
    let sql = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(0);
    let log = Log::with(Arc::new(OsStorage), Arc::new(clock.clone()), dir.path()).unwrap();
    let mut tables: Vec<Table> = case.tables.iter().map(|t| Table::create(&log, t, case.changes(&t.name))).collect();
    let mut resumed = Resumed::new();
    for step in 1..=case.last_step() {
        clock.set(step * 1_000_000);
        tables.iter_mut().for_each(|t| t.append(step));
        let topics: Vec<&Table> = tables.iter().collect();
        let expected = case.expected.get(&step).map(Vec::as_slice);
        check(&sql, &topics, case, expected, &mut resumed).map_err(|e| format!("after step {step}: {e}"))?;
    }
    Ok(())
}

/// The reference and all engines, where something is expected; jobs go on in any case.
fn check(sql: &str, tables: &[&Table], case: &Case, expected: Option<&[rows::Row]>, resumed: &mut Resumed) -> Result<(), String> {
    let topics: Vec<TopicSchema<'_>> =
        tables.iter().map(|t| TopicSchema { name: t.topic.name(), schema: &t.schema, key: t.key.as_deref(), time: None }).collect();
    let plan = logical_plan_over(sql, &topics).map_err(|e| e.report(sql))?;
    if plan.columns().len() != case.columns.len() {
        return Err(format!("the query has {} columns and the case {}", plan.columns().len(), case.columns.len()));
    }
    let topics: Vec<&Topic> = tables.iter().map(|t| &t.topic).collect();
    let program = plan.program().map_err(|e| e.message)?;
    let by_jobs = resumed.step(&plan, &program, &topics);
    let Some(expected) = expected else { return Ok(()) };
    let mut differences = Vec::new();
    let mut compare = |who: &str, got: engines::Rows| {
        let got = got.map_err(|e| e.to_string());
        if let Err(difference) = got.and_then(|got| expected::compare(&case.columns, expected, &got)) {
            differences.push(format!("{who}: {difference}"));
        }
    };
    compare("reference", engines::by_reference(plan.clone(), &topics));
    if let Some(got) = engines::by_kept_rows(&plan, &topics) {
        compare("differential, which keeps the rows", got);
    }
    by_jobs.into_iter().for_each(|(who, got)| compare(&who, got));
    for engine in engines::ENGINES {
        let is_listed = REFUSED.contains(&(engine, &case.id));
        match engines::by_engine(engine, &program, &topics) {
            Ok(_) if is_listed => return Err(format!("{engine} answers, and is listed as one that refuses")),
            Ok(got) => compare(engine, got),
            Err(_) if is_listed => {}
            Err(refusal) => return Err(refusal),
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
}
