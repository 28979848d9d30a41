//! A run's result, from everything that was recorded in it and the verdicts on its answers.

use std::collections::{BTreeMap, HashMap};

use twopath_base::meters;

use super::RunError;
use super::check::Verdict;
use super::figures::{Bins, encoded, fresh_us, histogram, kept_up, percentiles, quantiles};
use super::load::Arrivals;
use super::recording::{Recorded, Recording};
use super::spec::RunSpec;
use crate::systems::timeline::Span;
use crate::systems::{self, Architecture, Costs, Job};
use twopath_results::result::{
    Answers, Approximate, Cost, CpuBin, Happening, KeptUp, LayerCost, Mark, Outcome, PhaseCosts, Phases, RunResult, Series, StorageBin,
};

/// The result of a run.
pub fn outcome(spec: &RunSpec, recording: &Recording, job: &Job, arrivals: &Arrivals, verdicts: &[Verdict]) -> Result<RunResult, RunError> {
    let Recording { record, deployed_us, end_us, .. } = recording;
    let (deployed_us, end_us) = (*deployed_us, *end_us);
    let start_us = arrivals.schedule.start_us;
    let fresh = fresh_us(arrivals, &record.readable);
    let covered = || arrivals.iter().zip(&fresh).filter_map(|((.., due_us), at)| Some((due_us, at.as_ref()?.saturating_sub(due_us))));
    let freshness = histogram(covered().map(|(_, freshness_us)| freshness_us));
    let latency = histogram(recording.answers.iter().filter(|a| a.key.is_some()).map(Recorded::latency_us));
    let staleness = histogram(recording.answers.iter().map(|a| arrivals.staleness_us(&a.position, a.read_us)));
    let corrected_us = corrected_us(&recording.answers, verdicts, deployed_us).filter(|_| job.has_fix());
    let bins = Bins::new(start_us, end_us);
    let judged = recording.answers.iter().zip(verdicts);
    let events = recording.events_loaded + arrivals.schedule.events;
    // Where all that is published comes from batch runs, what arrives meanwhile waits: for the interval, and for the run.
    let is_periodic = spec.factors.architecture == Architecture::Batch;
    let normal_us = if is_periodic { 2 * spec.batch_interval().as_micros() as u64 } else { 1_000_000 };
    Ok(RunResult {
        system: spec.architecture.clone(),
        architecture: spec.family.clone(),
        wiring: spec.factors.architecture.to_string(),
        batch_engine: spec.factors.batch_engine.map(|e| e.to_string()),
        speed_engine: spec.factors.speed_engine.map(|e| e.to_string()),
        language: Some(spec.factors.language.to_string()),
        repeat: spec.repeat,
        outcome: Outcome::Ok,
        events,
        duration_ms: ms(end_us, start_us),
        freshness_ms: quantiles(&freshness),
        events_never_covered: fresh.iter().filter(|at| at.is_none()).count() as u64,
        query_latency_ms: quantiles(&latency),
        staleness_ms: quantiles(&staleness),
        answers: Answers {
            approximate: leaves_out(spec, &recording.answers).then(|| approximate(&recording.answers, verdicts)),
            ..answers(&recording.answers, verdicts, deployed_us)
        },
        time_to_correct_ms: corrected_us.map(|at_us| ms(at_us, deployed_us)),
        extra_storage_bytes_max: recording.extra_storage_bytes_max,
        cost: cost(recording, events),
        code: systems::code::code(&spec.factors, job)?,
        kept_up: kept_up(arrivals, &record.readable, normal_us).map_or(KeptUp::KeptUp, |since_s| KeptUp::FellBehind { since_s }),
        series: Series {
            freshness: bins.freshness(covered()),
            answers: bins.answers(judged.map(|(a, v)| (a.read_us, v.wrong, v.outdated))),
            reads: bins.reads(recording.answers.iter().filter(|a| a.key.is_some()).map(|a| (a.due_us, a.latency_us()))),
            cpu: cores(&recording.cpu, start_us),
            storage: recording.storage.iter().map(|&(at_us, bytes)| StorageBin { at_ms: ms(at_us, start_us), bytes }).collect(),
            freshness_percentiles: percentiles(&freshness),
            query_latency_percentiles: percentiles(&latency),
            freshness_hdr: encoded(&freshness),
            query_latency_hdr: encoded(&latency),
        },
        marks: marks(recording, corrected_us, start_us),
        samples: Vec::new(),
    })
}

/// How many cores the system's process kept busy between two looks.
fn cores(seen: &[(u64, f64)], start_us: u64) -> Vec<CpuBin> {
    let between = |pair: &[(u64, f64)]| {
        let [(from_us, before), (to_us, after)] = [pair[0], pair[1]];
        CpuBin { at_ms: ms(from_us, start_us), cores: (after - before).max(0.0) / ((to_us - from_us).max(1) as f64 / 1e6) }
    };
    seen.windows(2).map(between).collect()
}

/// Milliseconds from one time to another; negative where it lies before.
fn ms(at_us: u64, since_us: u64) -> f64 {
    (at_us as f64 - since_us as f64) / 1e3
}

/// When the first answer was read from which on none is wrong, counted from the deployment; `None` while the last one is.
fn corrected_us(answers: &[Recorded], verdicts: &[Verdict], deployed_us: u64) -> Option<u64> {
    let last_wrong = verdicts.iter().rposition(|v| v.wrong);
    let right = &answers[last_wrong.map_or(0, |i| i + 1)..];
    right.iter().map(|a| a.read_us).find(|&read_us| read_us >= deployed_us)
}

fn answers(answers: &[Recorded], verdicts: &[Verdict], deployed_us: u64) -> Answers {
    let count = |of: fn(&Verdict) -> bool| verdicts.iter().filter(|v| of(v)).count() as u64;
    let wrong = || answers.iter().zip(verdicts).filter(|(_, v)| v.wrong);
    let mut since_deployed = wrong().map(|(a, _)| a.read_us).filter(|&at_us| at_us >= deployed_us);
    let first = since_deployed.next();
    let last = since_deployed.next_back().or(first);
    let errors = || wrong().map(|(_, v)| v.error);
    Answers {
        checked: answers.len() as u64,
        wrong: count(|v| v.wrong),
        wrong_engine: count(|v| v.wrong_engine),
        outdated: count(|v| v.outdated),
        wrong_for_ms: first.zip(last).map_or(0.0, |(first, last)| ms(last, first)),
        error_mean: if count(|v| v.wrong) == 0 { 0.0 } else { errors().sum::<f64>() / errors().count() as f64 },
        error_max: errors().fold(0.0, f64::max),
        approximate: None,
    }
}

/// Whether answers may lack something on purpose: what came late for the speed layer, or what its part of the log says of the batch view's.
fn leaves_out(spec: &RunSpec, answers: &[Recorded]) -> bool {
    spec.speed_lateness_ms.is_some() && spec.factors.speed_engine.is_some() || answers.iter().any(|answer| answer.approximate)
}

/// What the answers lacked that said of themselves that they are approximate.
fn approximate(answers: &[Recorded], verdicts: &[Verdict]) -> Approximate {
    let wrong = || verdicts.iter().filter(|v| v.wrong_approximate);
    // By row, since when it is wrong; and for how long rows were, until a full answer had them right.
    let (mut since_us, mut rows_us) = (HashMap::<u64, u64>::new(), Vec::new());
    for (answer, verdict) in answers.iter().zip(verdicts).filter(|(answer, _)| answer.key.is_none()) {
        let mut still: HashMap<u64, u64> =
            verdict.wrong_rows.iter().map(|row| (*row, since_us.remove(row).unwrap_or(answer.read_us))).collect();
        std::mem::swap(&mut since_us, &mut still);
        rows_us.extend(still.into_values().map(|since_us| answer.read_us.saturating_sub(since_us)));
    }
    let end_us = answers.last().map_or(0, |last| last.read_us);
    rows_us.extend(since_us.into_values().map(|since_us| end_us.saturating_sub(since_us)));
    let mean = |sum: f64, count: usize| sum / count.max(1) as f64;
    Approximate {
        answers: answers.iter().filter(|a| a.approximate).count() as u64,
        wrong: wrong().count() as u64,
        rows: rows_us.len() as u64,
        // Of whole microseconds, whose sum is exact: no mean lies above the longest.
        row_wrong_for_ms: mean(rows_us.iter().sum::<u64>() as f64, rows_us.len()) / 1e3,
        row_wrong_longest_ms: ms(rows_us.iter().copied().max().unwrap_or(0), 0),
        error_mean: mean(wrong().map(|v| v.error_own).sum(), wrong().count()),
        error_max: wrong().map(|v| v.error_own).fold(0.0, f64::max),
    }
}

fn cost(recording: &Recording, events: u64) -> Cost {
    let costs = &recording.costs;
    let per_million = |seconds: f64| seconds / (events.max(1) as f64 / 1e6);
    let by_layer: BTreeMap<String, f64> = costs.cpu_s.iter().map(|(layer, s)| (layer.clone(), per_million(*s))).collect();
    Cost {
        cpu_s_per_million_events: LayerCost {
            total: by_layer.iter().filter(|(layer, _)| *layer != meters::Layer::Load.name()).map(|(_, s)| s).sum(),
            by_layer,
        },
        rss_bytes_max: costs.rss_bytes_max,
        bytes_written: costs.bytes_written,
        bytes_read: costs.bytes_read,
        log_bytes: recording.log_bytes,
        view_bytes: costs.view_bytes,
        state_bytes: costs.state_bytes,
        log_bytes_per_event_at_rest: (recording.events_loaded > 0).then(|| recording.history_bytes as f64 / recording.events_loaded as f64),
        phases: Some(phases(recording)),
        ..Cost::default()
    }
}

/// The run in three parts.
fn phases(recording: &Recording) -> Phases {
    let Recording { costs_loaded, costs_deployed, costs_fixed, costs, schedule, deployed_us, fixed_us, .. } = recording;
    let live_before = used(costs_loaded, costs_deployed);
    let live_after = used(costs_fixed, costs);
    let change = used(costs_deployed, costs_fixed);
    let in_change = schedule.arrived(*fixed_us) - schedule.arrived(*deployed_us).min(schedule.arrived(*fixed_us));
    let none = Costs::default();
    let load = used(&none, costs_loaded);
    let mut live_cpu_s = live_before.0;
    live_after.0.into_iter().for_each(|(layer, seconds)| *live_cpu_s.entry(layer).or_default() += seconds);
    Phases {
        load: PhaseCosts { duration_ms: ms(recording.loaded_us, 0), events: recording.events_loaded, cpu_s: load.0, bytes_written: load.1 },
        live: PhaseCosts {
            duration_ms: ms(recording.end_us, schedule.start_us) - ms(*fixed_us, *deployed_us),
            events: schedule.events - in_change,
            cpu_s: live_cpu_s,
            bytes_written: live_before.1 + live_after.1,
        },
        change: PhaseCosts { duration_ms: ms(*fixed_us, *deployed_us), events: in_change, cpu_s: change.0, bytes_written: change.1 },
    }
}

/// CPU by layer, but for the load's, and bytes written between two looks.
fn used(before: &Costs, after: &Costs) -> (BTreeMap<String, f64>, u64) {
    let charged = after.cpu_s.iter().filter(|(layer, _)| *layer != meters::Layer::Load.name());
    let since = |layer: &String| before.cpu_s.get(layer).copied().unwrap_or(0.0);
    let cpu_s = charged.map(|(layer, s)| (layer.clone(), (s - since(layer)).max(0.0))).collect();
    (cpu_s, after.bytes_written.saturating_sub(before.bytes_written))
}

fn marks(recording: &Recording, corrected_us: Option<u64>, start_us: u64) -> Vec<Mark> {
    let corrected = corrected_us.map(|from_us| Span { what: Happening::Corrected, from_us, to_us: None });
    let spans = recording.record.marks.iter().chain(&recording.marks).cloned().chain(corrected);
    let mark =
        |span: Span| Mark { what: span.what, at_ms: ms(span.from_us, start_us), until_ms: span.to_us.map(|at_us| ms(at_us, start_us)) };
    let mut marks: Vec<Mark> = spans.map(mark).collect();
    marks.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    marks
}

#[cfg(test)]
#[path = "outcome_test.rs"]
mod tests;
