//! The headlines: what the whole comparison comes to, in a few plain sentences.

use super::facts::Facts;
use super::recommendation::{CRITERIA, month};
use super::why::listed;
use crate::number::{count, in_words, significant, times};
use crate::result::{CompareResult, Factor, Question};

/// How many systems a sentence names: of more it names some.
const NAMED_MAX: usize = 8;

/// Needs `result.questions`. The first sentence is the one to read if there is time for one.
pub fn findings(result: &CompareResult) -> Vec<String> {
    let facts = Facts::new(result);
    let mut found = Vec::new();
    found.extend(trouble(result, &facts));
    found.extend(said(result, "freshness_p99", "99 of 100 events were in the answer after"));
    found.extend(said(result, "time_to_correct", "After the fix was deployed, every answer was right after"));
    found.extend(said(result, "late_for", "A row of the answer was wrong for want of what came late, in the mean for"));
    found.extend(said(result, "cpu_per_million", "A million events took this much CPU time:"));
    found.extend(said(result, "money_month", &format!("The month ({}) costs", month(&result.settings))));
    found.extend(said(result, "code_lines", "The query logic that people had to write, both versions, in lines:"));
    found.extend(said(result, "places_touched", "Places that the fix had to touch:"));
    found.extend(by_factor(result));
    found.extend(checked(&facts));
    found
}

/// `… 2.1 ms in kappa, 2.3 ms in lambda (a tie), 2.4 s in batch.`
fn said(result: &CompareResult, id: &str, beginning: &str) -> Option<String> {
    let question = result.questions.iter().find(|question| question.id == id)?;
    let mut ranked: Vec<(&String, f64)> = question.by_architecture.iter().filter_map(|(name, e)| Some((name, e.median?))).collect();
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    if ranked.len() < 2 {
        return None;
    }
    let figure = |(name, value): &(&String, f64)| format!("{} in {name}", in_words(*value, &question.unit));
    let mut figures: Vec<String> = ranked.iter().map(figure).collect();
    if let (true, Some(last)) = (ranked.len() > NAMED_MAX, ranked.last()) {
        // The best few, and how far the rest goes.
        figures.truncate(NAMED_MAX / 2);
        figures.push(format!("between that and {} in {} others", figure(last), ranked.len() - figures.len() - 1));
    }
    let never: Vec<String> = question.by_architecture.iter().filter(|(_, e)| e.median.is_none()).map(|(name, _)| name.clone()).collect();
    let never = if never.is_empty() { String::new() } else { format!("; no figure for {}", listed(&never)) };
    Some(format!("{beginning} {}{never}.{}", listed(&figures), verdict(question, ranked[0].1)))
}

fn verdict(question: &Question, lowest: f64) -> String {
    match (&question.winner, question.tied.as_slice()) {
        (Some(winner), _) => {
            let next =
                question.by_architecture.iter().filter(|(name, _)| *name != winner).filter_map(|(_, e)| e.ratio).min_by(f64::total_cmp);
            match next {
                Some(ratio) if lowest > 0.0 => format!(" Best by {} or more: {winner}.", times(ratio)),
                _ => format!(" Best: {winner}."),
            }
        }
        (None, tied) if tied.len() > NAMED_MAX => format!(" A tie of {} of them, which the table marks.", tied.len()),
        (None, tied) if tied.len() > 1 => format!(" A tie: {}.", listed(tied)),
        _ => String::new(),
    }
}

/// One sentence for each step from a level of a factor to another: what it does for sure, in figures that a choice rests on.
fn by_factor(result: &CompareResult) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut seen: Vec<(Factor, &str, &str)> = Vec::new();
    for effect in &result.effects {
        let step = (effect.factor, effect.from.as_str(), effect.to.as_str());
        if seen.contains(&step) {
            continue;
        }
        seen.push(step);
        let of_step = || result.effects.iter().filter(|e| (e.factor, e.from.as_str(), e.to.as_str()) == step);
        let decided: Vec<String> = CRITERIA
            .iter()
            .filter_map(|(id, noun)| {
                let e = of_step().find(|e| e.figure == *id && e.decided)?;
                let depends = if e.factor == Factor::Architecture && !e.everywhere { ", though not of every pair of systems" } else { "" };
                Some(format!("{} the {noun}{depends}", times(e.ratio?)))
            })
            .collect();
        let factor = match step.0 {
            Factor::Architecture => "Architecture",
            Factor::BatchEngine => "Batch engine",
            Factor::SpeedEngine => "Speed engine",
            Factor::Language => "Language",
        };
        let decided = &decided[..decided.len().min(4)];
        let what = if decided.is_empty() { "a tie".to_string() } else { listed(decided) };
        told.push(format!("{factor}, {} against {}, the rest held constant: {what}.", step.2, step.1));
    }
    told
}

/// What one must know before believing the rest.
fn trouble(result: &CompareResult, facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for (name, f) in &facts.by_architecture {
        if f.answers.wrong_engine > 0 {
            found.push(format!(
                "A BUG OF TWOPATH: {} of {name}'s answers differ from the reference at their own position. Do not trust this comparison.",
                count(f.answers.wrong_engine)
            ));
        }
        if f.runs_crashed > 0 {
            found.push(format!("{} of {name}'s runs crashed; their figures are void.", f.runs_crashed));
        }
        if let Some(since_s) = f.behind_since_s {
            found.push(format!(
                "{name} could not keep up from second {} on{}: its freshness says nothing but that.",
                significant(since_s),
                if f.runs_behind < f.runs_ok { format!(" in {} of {} runs", f.runs_behind, f.runs_ok) } else { String::new() }
            ));
        }
    }
    if !result.complete {
        let planned = result.settings.systems.len() * result.settings.repeats as usize;
        found.push(format!("Stopped early: {} of {planned} runs were made.", result.runs.len()));
    }
    if result.settings.repeats == 1 {
        found.push("One repeat has no spread to judge by, so no winner is named; give --repeats 3 or more for that.".into());
    }
    found
}

fn checked(facts: &Facts) -> Option<String> {
    let checked: u64 = facts.by_architecture.values().map(|f| f.answers.checked).sum();
    let flawed: u64 = facts.by_architecture.values().map(|f| f.answers.wrong_engine).sum();
    (checked > 0 && flawed == 0).then(|| {
        format!(
            "{} answers were checked against the reference interpreter at their own position: every one was what its code should give{}.",
            count(checked),
            facts.but_approximate()
        )
    })
}
