//! What the runs of one architecture show of how it works: medians over its repeats. The report's reasons are made of these.

use std::collections::BTreeMap;

use crate::result::{Answers, CompareResult, Happening, KeptUp, Mark, Outcome, RunResult, Settings};
use crate::statistics::median;

/// Of a whole comparison.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub settings: &'a Settings,
    pub by_architecture: BTreeMap<String, ArchitectureFacts>,
    /// [`CompareResult::leaves_out`].
    pub leaves_out: bool,
}

/// Of one architecture. All times are milliseconds; none where no run has it.
#[derive(Debug, Clone, Default)]
pub struct ArchitectureFacts {
    pub runs_ok: usize,
    pub runs_crashed: usize,
    /// One batch run, before the deployment of the fix.
    pub batch_run_ms: Option<f64>,
    /// From the start of one batch run to the start of the next.
    pub batch_every_ms: Option<f64>,
    /// Batch runs in one run.
    pub batch_runs: f64,
    /// The batch run that brought the fix: from the deployment until it began, and how long it took.
    pub fix_batch_wait_ms: Option<f64>,
    pub fix_batch_run_ms: Option<f64>,
    /// The replay of the second version.
    pub catch_up_ms: Option<f64>,
    /// Events that it read.
    pub catch_up_events: Option<f64>,
    /// From the deployment to the switch of the readers.
    pub deploy_to_cutover_ms: Option<f64>,
    /// Events that a run took in.
    pub events: f64,
    /// CPU seconds per million events: `log`, `batch`, `speed`, `serving` (what is not charged is left out).
    pub cpu_by_layer: BTreeMap<String, f64>,
    pub money_by_part: BTreeMap<String, f64>,
    /// Lines of version 1 per layer that people write.
    pub lines_by_layer: BTreeMap<String, u64>,
    pub view_bytes: f64,
    pub state_bytes: f64,
    /// Of all repeats together.
    pub answers: Answers,
    /// Runs that did not keep up with the events, and the earliest second from which on one did not.
    pub runs_behind: usize,
    pub behind_since_s: Option<f64>,
}

impl<'a> Facts<'a> {
    pub fn new(result: &'a CompareResult) -> Self {
        let of = |name: &String| (name.clone(), architecture_facts(result.runs.iter().filter(|run| run.system == *name)));
        let by_architecture = result.settings.systems.iter().map(|system| of(&system.name)).collect();
        Facts { settings: &result.settings, by_architecture, leaves_out: result.leaves_out() }
    }

    /// The end of a sentence about all answers: which of them it is not about.
    pub fn but_approximate(&self) -> &'static str {
        if self.leaves_out { ", but for those that said that they are approximate" } else { "" }
    }
}

impl ArchitectureFacts {
    /// It answers from batch runs alone.
    pub fn batch_only(&self) -> bool {
        self.batch_runs > 0.0 && self.cpu_by_layer.get("speed").is_none_or(|&cpu| cpu == 0.0)
    }

    /// It merges a batch and a realtime view.
    pub fn merges(&self) -> bool {
        self.batch_runs > 0.0 && !self.batch_only()
    }

    pub fn cpu_total(&self) -> f64 {
        self.cpu_by_layer.values().sum()
    }
}

fn architecture_facts<'r>(runs: impl Iterator<Item = &'r RunResult>) -> ArchitectureFacts {
    let (ok, crashed): (Vec<&RunResult>, Vec<&RunResult>) = runs.partition(|run| run.outcome == Outcome::Ok);
    let over = |value: &dyn Fn(&RunResult) -> Option<f64>| median(&ok.iter().filter_map(|run| value(run)).collect::<Vec<_>>());
    let fix_batch = |run: &RunResult| {
        let deploy = deployed(run)?;
        batch_runs(run).find(|(at, _)| *at >= deploy.at_ms).map(|(at, until)| (at - deploy.at_ms, until - at))
    };
    let since = || {
        ok.iter().filter_map(|run| match run.kept_up {
            KeptUp::KeptUp => None,
            KeptUp::FellBehind { since_s } => Some(since_s),
        })
    };
    let mut answers = Answers::default();
    for run in &ok {
        answers.checked += run.answers.checked;
        answers.wrong += run.answers.wrong;
        answers.wrong_engine += run.answers.wrong_engine;
        answers.outdated += run.answers.outdated;
        answers.error_max = answers.error_max.max(run.answers.error_max);
    }
    ArchitectureFacts {
        runs_ok: ok.len(),
        runs_crashed: crashed.len(),
        batch_run_ms: over(&|run| {
            let deploy = deployed(run).map_or(f64::INFINITY, |mark| mark.at_ms);
            median(&batch_runs(run).filter(|(at, _)| *at < deploy).map(|(at, until)| until - at).collect::<Vec<_>>())
        }),
        batch_every_ms: over(&|run| {
            let starts: Vec<f64> = batch_runs(run).map(|(at, _)| at).collect();
            median(&starts.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>())
        }),
        batch_runs: over(&|run| Some(batch_runs(run).count() as f64)).unwrap_or(0.0),
        fix_batch_wait_ms: over(&|run| fix_batch(run).map(|(wait, _)| wait)),
        fix_batch_run_ms: over(&|run| fix_batch(run).map(|(_, took)| took)),
        catch_up_ms: over(&|run| caught_up(run).map(|(took, _)| took)),
        catch_up_events: over(&|run| caught_up(run).map(|(_, events)| events as f64)),
        deploy_to_cutover_ms: over(&|run| {
            let deploy = deployed(run)?.at_ms;
            run.marks
                .iter()
                .find(|mark| matches!(mark.what, Happening::Cutover { .. }) && mark.at_ms >= deploy)
                .map(|mark| mark.at_ms - deploy)
        }),
        events: over(&|run| Some(run.events as f64)).unwrap_or(0.0),
        cpu_by_layer: medians_by_key(&ok, |run| &run.cost.cpu_s_per_million_events.by_layer, |layer| layer != "load"),
        money_by_part: medians_by_key(&ok, |run| &run.cost.money_by_part, |_| true),
        lines_by_layer: ok.first().map(|run| lines_by_layer(run)).unwrap_or_default(),
        view_bytes: over(&|run| Some(run.cost.view_bytes as f64)).unwrap_or(0.0),
        state_bytes: over(&|run| Some(run.cost.state_bytes as f64)).unwrap_or(0.0),
        answers,
        runs_behind: since().count(),
        behind_since_s: since().min_by(f64::total_cmp),
    }
}

fn deployed(run: &RunResult) -> Option<&Mark> {
    run.marks.iter().find(|mark| matches!(mark.what, Happening::Deploy { .. }))
}

/// How long the second version replayed the log, and how many events.
fn caught_up(run: &RunResult) -> Option<(f64, u64)> {
    run.marks.iter().find_map(|mark| match mark.what {
        Happening::CatchUp { events, .. } => Some((mark.until_ms? - mark.at_ms, events)),
        _ => None,
    })
}

/// Start and end of every batch run that ended.
fn batch_runs(run: &RunResult) -> impl Iterator<Item = (f64, f64)> {
    run.marks.iter().filter(|mark| matches!(mark.what, Happening::BatchRun { .. })).filter_map(|mark| Some((mark.at_ms, mark.until_ms?)))
}

fn medians_by_key(
    runs: &[&RunResult],
    map: impl Fn(&RunResult) -> &BTreeMap<String, f64>,
    keep: impl Fn(&str) -> bool,
) -> BTreeMap<String, f64> {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for run in runs {
        for (key, value) in map(run).iter().filter(|(key, _)| keep(key)) {
            values.entry(key.clone()).or_default().push(*value);
        }
    }
    values.into_iter().filter_map(|(key, values)| Some((key, median(&values)?))).collect()
}

fn lines_by_layer(run: &RunResult) -> BTreeMap<String, u64> {
    let mut lines = BTreeMap::new();
    for listing in &run.code.listings {
        *lines.entry(listing.layers.join(" and ")).or_default() += listing.size_v1.lines;
    }
    lines
}
