//! The questions that a comparison answers, one line of the table each.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::why;
use crate::result::{
    AnswersBin, Approximate, CompareResult, Estimate, Happening, Money, Outcome, Quantiles, Question, RunResult, Settings, is_counted,
};
use crate::statistics::{PairedRatio, median, paired_ratio};

/// What is asked, and where a run has the answer.
struct Asked {
    id: &'static str,
    section: &'static str,
    question: &'static str,
    unit: &'static str,
    value: fn(&RunResult) -> Option<f64>,
}

const fn asked(
    id: &'static str,
    section: &'static str,
    question: &'static str,
    unit: &'static str,
    value: fn(&RunResult) -> Option<f64>,
) -> Asked {
    Asked { id, section, question, unit, value }
}

const FRESH: &str = "How fresh";
const RIGHT: &str = "How right";
const FIX: &str = "A code change";
const COST: &str = "What it costs";
const CODE: &str = "What people write";
/// Stands for the price file's currency.
const MONEY: &str = "money";

const ASKED: [Asked; 30] = [
    asked("freshness_p50", FRESH, "Until half of the events are in the answer?", "ms", |r| of(&r.freshness_ms, |q| q.p50)),
    asked("freshness_p99", FRESH, "Until 99 of 100 events are?", "ms", |r| of(&r.freshness_ms, |q| q.p99)),
    asked("staleness_p99", FRESH, "Age of what an answer lacks? (99 of 100)", "ms", |r| of(&r.staleness_ms, |q| q.p99)),
    asked("query_latency_p99", FRESH, "Time to read one key? (99 of 100 reads)", "ms", |r| of(&r.query_latency_ms, |q| q.p99)),
    asked("wrong_share", RIGHT, "Answers that the fixed code corrects?", "share", |r| share(r, |bin| bin.wrong)),
    asked("outdated_share", RIGHT, "Answers off the truth of their moment?", "share", |r| share(r, |bin| bin.outdated)),
    asked("wrong_engine", RIGHT, "Answers that an engine got wrong?", "answers", |r| Some(r.answers.wrong_engine as f64)),
    asked("late_share", RIGHT, "Answers without what came late?", "share", |r| {
        late(r, |l| l.wrong as f64 / r.answers.checked.max(1) as f64)
    }),
    asked("late_for", RIGHT, "A row is wrong for want of it for? (mean)", "ms", |r| late(r, |l| l.row_wrong_for_ms)),
    asked("late_longest", RIGHT, "The longest?", "ms", |r| late(r, |l| l.row_wrong_longest_ms)),
    asked("time_to_correct", FIX, "From the fix until every answer is right?", "ms", |r| r.time_to_correct_ms),
    asked("wrong_for_ms", FIX, "Wrong answers went on after it for?", "ms", |r| Some(r.answers.wrong_for_ms)),
    asked("freshness_dip", FIX, "Worst freshness while the fix comes in?", "ms", |r| dip(r, &r.series.freshness, |b| (b.at_ms, b.p99_ms))),
    asked("read_dip", FIX, "Slowest reads meanwhile? (99 of 100)", "ms", |r| dip(r, &r.series.reads, |b| (b.at_ms, b.p99_ms))),
    asked("extra_storage", FIX, "Extra space needed meanwhile?", "bytes", |r| Some(r.extra_storage_bytes_max as f64)),
    asked("cpu_per_million", COST, "CPU time per million events?", "cpu_s_per_million_events", |r| {
        Some(r.cost.cpu_s_per_million_events.total)
    }),
    asked("rss", COST, "Memory at its peak?", "bytes", |r| Some(r.cost.rss_bytes_max as f64)),
    asked("bytes_written", COST, "Bytes written to disk?", "bytes", |r| Some(r.cost.bytes_written as f64)),
    asked("log_bytes", COST, "Size of the log?", "bytes", |r| Some(r.cost.log_bytes as f64)),
    asked("view_bytes", COST, "Batch views on disk?", "bytes", |r| Some(r.cost.view_bytes as f64)),
    asked("state_bytes", COST, "Views in memory?", "bytes", |r| Some(r.cost.state_bytes as f64)),
    asked("money_month", COST, "The stated month, all together?", MONEY, |r| money(r, |m| Some(m.month_total))),
    asked("money_events", COST, "Of it, each event's part?", MONEY, |r| money(r, |m| m.month.get("events").copied())),
    asked("money_standing", COST, "What stands?", MONEY, |r| money(r, |m| m.month.get("standing").copied())),
    asked("money_changes", COST, "Changes of the code?", MONEY, |r| money(r, |m| m.month.get("changes").copied())),
    asked("code_lines", CODE, "Lines of query logic, both versions?", "lines", |r| Some(r.code.lines as f64)),
    asked("code_tokens", CODE, "Its tokens?", "tokens", |r| Some(r.code.tokens as f64)),
    asked("code_decisions", CODE, "Its decisions?", "decisions", |r| Some(r.code.decisions as f64)),
    asked("places_touched", CODE, "Places that the fix touched?", "places", |r| Some(r.code.places_touched as f64)),
    asked("layers_touched", CODE, "Layers to deploy together for it?", "layers", |r| Some(r.code.layers_touched as f64)),
];

fn of(quantiles: &Quantiles, pick: fn(&Quantiles) -> f64) -> Option<f64> {
    (quantiles.count > 0).then(|| pick(quantiles))
}

/// None before the money was told.
fn money(run: &RunResult, part: fn(&Money) -> Option<f64>) -> Option<f64> {
    part(&run.cost.money).filter(|_| run.cost.money.month_total > 0.0)
}

/// Of a system whose answers never said that they are approximate, nothing is lacked.
fn late(run: &RunResult, part: impl Fn(&Approximate) -> f64) -> Option<f64> {
    Some(run.answers.approximate.as_ref().map_or(0.0, part))
}

/// The highest of a series from the deployment of the fix until version 1 is gone and every answer right. The bin in which the deployment
/// falls belongs to it.
fn dip<B>(run: &RunResult, series: &[B], value: fn(&B) -> (f64, f64)) -> Option<f64> {
    let deploy = run.marks.iter().find(|mark| matches!(mark.what, Happening::Deploy { .. }))?;
    let corrected = run.marks.iter().find(|mark| mark.what == Happening::Corrected).map(|mark| mark.at_ms);
    let until = deploy.until_ms.into_iter().chain(corrected).fold(deploy.at_ms, f64::max);
    let width = series.get(1).map_or(0.0, |bin| value(bin).0 - value(&series[0]).0);
    series.iter().map(value).filter(|(at_ms, _)| at_ms + width > deploy.at_ms && *at_ms <= until).map(|(_, ms)| ms).max_by(f64::total_cmp)
}

/// Of the answers read while events arrived. Reads go on until every event is covered, which takes `batch` longest: its right answers
/// after the end must not thin out its wrong ones.
fn share(run: &RunResult, part: fn(&AnswersBin) -> u64) -> Option<f64> {
    let end_ms = run.marks.iter().find(|mark| mark.what == Happening::LoadEnd).map_or(f64::INFINITY, |mark| mark.at_ms);
    let bins = || run.series.answers.iter().filter(|bin| bin.at_ms < end_ms);
    let checked: u64 = bins().map(|bin| bin.checked).sum();
    (checked > 0).then(|| bins().map(part).sum::<u64>() as f64 / checked as f64)
}

/// Of a question that stands in a result.
pub fn section(id: &str) -> &'static str {
    ASKED.iter().find(|asked| asked.id == id).map_or("", |asked| asked.section)
}

/// The ids of all questions.
pub fn ids() -> impl Iterator<Item = &'static str> {
    ASKED.iter().map(|asked| asked.id)
}

/// The figure of one run that a question asks for; none where it crashed or has none.
pub fn figure(id: &str, run: &RunResult) -> Option<f64> {
    let asked = ASKED.iter().find(|asked| asked.id == id)?;
    if run.outcome != Outcome::Ok {
        return None;
    }
    (asked.value)(run).filter(|value| value.is_finite())
}

/// Answers every question from the runs that did not crash.
pub fn questions(result: &CompareResult) -> Vec<Question> {
    let settings = &result.settings;
    let facts = Facts::new(result);
    let leaves_out = result.leaves_out();
    let is_asked = |asked: &&Asked| leaves_out || !asked.id.starts_with("late_");
    ASKED
        .iter()
        .filter(is_asked)
        .map(|asked| {
            let mut question = answer(asked, settings, &result.runs, result.provenance.seed);
            question.why = why::why(&question, &facts);
            question
        })
        .collect()
}

fn answer(asked: &Asked, settings: &Settings, runs: &[RunResult], seed: u64) -> Question {
    let names: Vec<String> = settings.systems.iter().map(|system| system.name.clone()).collect();
    let mut by_architecture: BTreeMap<String, Estimate> =
        names.iter().map(|name| (name.clone(), estimate(asked, name, settings.repeats, runs))).collect();
    let best = names.iter().filter_map(|name| Some((name.clone(), by_architecture[name].median?))).min_by(|a, b| a.1.total_cmp(&b.1));
    let (winner, tied) = match best {
        None => (None, vec![]),
        Some((best, lowest)) => {
            let best_values = by_architecture[&best].values.clone();
            let mut tied = vec![best.clone()];
            let mut others = 0;
            for name in names.iter().filter(|name| **name != best) {
                let Some(estimate) = by_architecture.get_mut(name).filter(|e| e.median.is_some()) else { continue };
                others += 1;
                let pairs: Vec<(f64, f64)> = estimate.values.iter().zip(&best_values).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
                let found = paired_ratio(&pairs, seed ^ hash(asked.id) ^ hash(name));
                let above = if is_counted(asked.id) { estimate.median > Some(lowest) } else { found.is_some_and(|found| found.above) };
                if !above {
                    tied.push(name.clone());
                }
                if let Some(PairedRatio { ratio, interval, .. }) = found {
                    estimate.ratio = Some(ratio).filter(|r| r.is_finite());
                    estimate.ratio_low = interval.map(|(low, _)| low).filter(|_| !is_counted(asked.id));
                    estimate.ratio_high = interval.map(|(_, high)| high).filter(|_| !is_counted(asked.id));
                }
            }
            if tied.len() == 1 && others > 0 { (Some(best), vec![]) } else { (None, tied) }
        }
    };
    Question {
        id: asked.id.into(),
        question: asked.question.into(),
        unit: if asked.unit == MONEY { format!("{}_per_month", settings.prices.currency) } else { asked.unit.into() },
        lower_is_better: true,
        by_architecture,
        winner,
        tied,
        why: String::new(),
    }
}

fn estimate(asked: &Asked, system: &str, repeats: u32, runs: &[RunResult]) -> Estimate {
    let values: Vec<Option<f64>> =
        (0..repeats).map(|repeat| figure(asked.id, runs.iter().find(|run| run.repeat == repeat && run.system == system)?)).collect();
    let present: Vec<f64> = values.iter().copied().flatten().collect();
    Estimate { median: median(&present), values, ..Estimate::default() }
}

/// FNV-1a: so that each line draws its own resamples, the same ones on every machine.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample;

    fn question(result: &CompareResult, id: &str) -> Question {
        questions(result).into_iter().find(|question| question.id == id).unwrap()
    }

    #[test]
    fn a_winner_needs_evidence_against_every_other() {
        let mut result = sample();
        assert_eq!(question(&result, "cpu_per_million").winner.as_deref(), Some("kappa"));
        let kappa: Vec<f64> =
            result.runs.iter().filter(|run| run.system == "kappa").map(|run| run.cost.cpu_s_per_million_events.total).collect();
        for run in result.runs.iter_mut().filter(|run| run.system == "batch") {
            run.cost.cpu_s_per_million_events.total = kappa[(run.repeat as usize + 1) % kappa.len()];
        }
        let close = question(&result, "cpu_per_million");
        assert_eq!((close.winner, close.tied.len()), (None, 2));
    }

    #[test]
    fn one_repeat_names_winners_of_exact_lines_only() {
        let mut result = sample();
        result.runs.retain(|run| run.repeat == 0);
        result.settings.repeats = 1;
        result.runs.iter_mut().for_each(|run| run.code.lines = if run.architecture == "kappa" { 3 } else { 6 });
        for question in questions(&result) {
            assert!(question.winner.is_none() || is_counted(&question.id), "{}", question.id);
            assert!(question.winner.is_some() || question.id != "code_lines");
        }
    }

    #[test]
    fn right_answers_after_the_end_do_not_thin_out_the_wrong_ones() {
        let mut result = sample();
        let before = question(&result, "wrong_share").by_architecture["batch"].median;
        for run in &mut result.runs {
            run.marks.push(crate::result::Mark { what: Happening::LoadEnd, at_ms: 8000.0, until_ms: None });
            run.series.answers.push(AnswersBin { at_ms: 8000.0, checked: 100_000, wrong: 0, outdated: 0 });
        }
        assert_eq!(question(&result, "wrong_share").by_architecture["batch"].median, before);
    }

    #[test]
    fn crashed_runs_have_no_figures() {
        let mut result = sample();
        for run in result.runs.iter_mut().filter(|run| run.architecture == "kappa") {
            run.outcome = Outcome::Crashed { message: String::new(), exit_code: None, signal: Some(9) };
        }
        for question in questions(&result) {
            assert_eq!(question.by_architecture["kappa"].median, None, "{}", question.id);
            assert_ne!(question.winner.as_deref(), Some("kappa"));
        }
    }
}
