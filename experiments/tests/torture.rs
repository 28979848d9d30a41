//! The short form of `twopath torture`, kind by kind: nothing is violated.

use twopath_torture::{KindSummary, TortureSettings, run};

fn holds(kind: &str) -> KindSummary {
    let settings =
        TortureSettings { long: false, seed: 1, only: vec![kind.into()], number: None, program: env!("CARGO_BIN_EXE_twopath").into() };
    let result = run(&settings, &|_, _, _| {}).unwrap();
    let first = &result.violations[..result.violations.len().min(5)];
    assert!(first.is_empty(), "{} violations, of which the first: {first:#?}", result.violations.len());
    assert!(result.summary[0].tried > 0);
    result.summary.into_iter().next().unwrap()
}

#[test]
fn power_losses() {
    holds("power");
}

#[test]
fn all_workloads_of_three_operations() {
    holds("workloads");
}

#[test]
fn compaction_and_retention() {
    holds("tidy");
}

#[test]
fn calls_that_fail() {
    holds("calls");
}

#[test]
fn damaged_files() {
    holds("damage");
}

#[test]
fn unruly_producers() {
    holds("producers");
}

#[test]
fn killed_processes() {
    holds("kill");
}

#[test]
fn jobs_that_go_on_from_checkpoints() {
    holds("state");
}

#[test]
fn killed_while_rolling() {
    let summary = holds("roll");
    assert!(summary.hits > 0, "no kill of {} has left a roll half done", summary.tried);
}
