//! The sentence under each line of the table: how the best stands to the next, then a reason, made of what was measured. Where the
//! measurements do not bear a reason out, none is given.

use super::facts::{ArchitectureFacts, Facts};
use crate::number::{bytes, count, duration, significant, times};
use crate::result::{Estimate, Question};

/// For a question whose estimates, winner and ties stand.
pub fn why(question: &Question, facts: &Facts) -> String {
    if question.by_architecture.values().all(|estimate| estimate.median.is_none()) {
        return nothing_to_say(question, facts);
    }
    if question.id == "wrong_engine" {
        return wrong_engine(facts);
    }
    let reason = match question.id.as_str() {
        // Once is enough for all that follows from it.
        "freshness_p99" => waiting(question, facts),
        "query_latency_p99" => reading(question, facts),
        "wrong_share" => wrong(question, facts),
        "time_to_correct" => correcting(question, facts),
        "extra_storage" => extra(facts),
        "cpu_per_million" => largest_parts(question, facts, "of its CPU time", |f| &f.cpu_by_layer),
        "money_month" => largest_parts(question, facts, "of its money", |f| &f.money_by_part),
        "bytes_written" => views_written(facts),
        "code_lines" => written_per_layer(question, facts),
        _ => None,
    };
    let standing = standing(question);
    match reason {
        Some(reason) => format!("{standing} {reason}"),
        None => standing,
    }
}

/// `kappa; lambda has 1.4× as much (95 % interval 1.2× to 1.6×).`
fn standing(question: &Question) -> String {
    let ranked = ranked(question);
    let against = |(name, estimate): &(&String, &Estimate)| match (estimate.ratio, estimate.ratio_low, estimate.ratio_high) {
        (Some(ratio), Some(low), Some(high)) => {
            format!("{name} has {} as much (95 % interval {} to {})", times(ratio), times(low), times(high))
        }
        (Some(ratio), ..) if ratio > 0.0 => format!("{name} has {} as much", times(ratio)),
        _ => format!("{name} has some"),
    };
    if let Some(winner) = &question.winner {
        let next = ranked.iter().find(|(name, _)| *name != winner).map_or(String::new(), |next| format!("; {}", against(next)));
        let none = if ranked[0].1.median == Some(0.0) { " has none" } else { " has least" };
        return format!("{winner}{none}{next}.");
    }
    let tied = question.tied.as_slice();
    if tied.len() < 2 {
        return String::new();
    }
    if ranked.iter().all(|(_, estimate)| estimate.median == ranked[0].1.median) {
        return "All alike.".into();
    }
    if matches!(question.unit.as_str(), "lines" | "functions" | "places") {
        let other = ranked.iter().find(|(name, _)| !tied.contains(name)).map_or(String::new(), |next| format!("; {}", against(next)));
        return format!("{} are alike{other}.", listed(tied));
    }
    let who = if tied.len() == ranked.len() { String::new() } else { format!(" of {}", listed(tied)) };
    let other = ranked.iter().find(|(name, _)| !tied.contains(name)).map_or(String::new(), |next| format!("; {}", against(next)));
    format!("A tie{who}{other}.")
}

fn nothing_to_say(question: &Question, facts: &Facts) -> String {
    if facts.by_architecture.values().all(|f| f.runs_ok == 0) {
        return "No run ended well, so there is nothing to compare.".into();
    }
    match question.id.as_str() {
        "time_to_correct" if facts.settings.sql_v1 == facts.settings.sql_v2 => "Nothing was fixed: both versions are the same.".into(),
        "time_to_correct" => "No architecture's answers were all right by the end of its run.".into(),
        _ => "No run has a figure for this.".into(),
    }
}

fn wrong_engine(facts: &Facts) -> String {
    let checked: u64 = facts.by_architecture.values().map(|f| f.answers.checked).sum();
    let flawed: Vec<String> =
        facts.by_architecture.iter().filter(|(_, f)| f.answers.wrong_engine > 0).map(|(name, _)| name.clone()).collect();
    if flawed.is_empty() {
        format!(
            "All {} answers were what the reference interpreter gives for the serving code at the answer's own position{}.",
            count(checked),
            facts.but_approximate()
        )
    } else {
        format!(
            "A BUG OF TWOPATH in {}: answers differ from the reference at their own position. Do not trust this comparison.",
            listed(&flawed)
        )
    }
}

/// Freshness and all that follows from it: who answers from batch runs alone waits for them.
fn waiting(question: &Question, facts: &Facts) -> Option<String> {
    let (worst, estimate) = *ranked(question).last()?;
    let f = facts.by_architecture.get(worst)?;
    let (run, every) = (f.batch_run_ms?, f.batch_every_ms?);
    if !f.batch_only() {
        return None;
    }
    let longest = run + every;
    let mut reason = format!(
        "{worst} answers only from finished batch runs: one began every {} and took {}, so an event can wait for {}",
        duration(every),
        duration(run),
        duration(longest)
    );
    if question.unit == "ms" && estimate.median? > 1.5 * longest {
        reason += ", and the rest of what was measured is runs that fell behind";
    }
    let streaming: Vec<String> =
        facts.by_architecture.iter().filter(|(_, f)| f.runs_ok > 0 && !f.batch_only()).map(|(n, _)| n.clone()).collect();
    if !streaming.is_empty() {
        reason += &format!("; {} follow the log as it grows", listed(&streaming));
    }
    Some(reason + ".")
}

fn reading(question: &Question, facts: &Facts) -> Option<String> {
    let (worst, _) = *ranked(question).last()?;
    let merging: Vec<String> = facts.by_architecture.iter().filter(|(_, f)| f.merges()).map(|(n, _)| n.clone()).collect();
    if question.winner.is_some() && merging.iter().any(|name| name == worst) {
        return Some(format!("Two views are looked up and merged at each read by {}, where one view needs one look.", listed(&merging)));
    }
    (!merging.is_empty() && question.winner.is_none())
        .then(|| format!("The merge of two views at each read does not show (by {}).", listed(&merging)))
}

fn wrong(question: &Question, facts: &Facts) -> Option<String> {
    let (worst, estimate) = *ranked(question).last()?;
    if estimate.median? == 0.0 {
        return Some("No answer depended on the bug.".into());
    }
    let f = facts.by_architecture.get(worst)?;
    Some(format!(
        "All began with version 1 and its bug, so the share is the time until the fix was served. {worst} gave most, {} of {} with those after the last event, off by up to {}.",
        count(f.answers.wrong),
        count(f.answers.checked),
        significant(f.answers.error_max)
    ))
}

/// How each brought the fix in.
fn correcting(question: &Question, facts: &Facts) -> Option<String> {
    let told: Vec<String> = ranked(question)
        .iter()
        .filter_map(|(name, _)| {
            let f = facts.by_architecture.get(*name)?;
            let switched = f
                .deploy_to_cutover_ms
                .map_or(String::new(), |ms| format!(" and switched its readers {} after the deployment", duration(ms)));
            if let (Some(wait), Some(run)) = (f.fix_batch_wait_ms, f.fix_batch_run_ms) {
                // A wait that is much of the whole is worth a word.
                let waited = if wait > run { format!(" after a wait of {}", duration(wait)) } else { String::new() };
                return Some(format!("{name} recomputed its batch view in {}{waited}{switched}", duration(run)));
            }
            let (took, events) = (f.catch_up_ms?, f.catch_up_events.unwrap_or(0.0));
            let rate = if took > 0.0 && events > 0.0 {
                format!(" ({} events, {} a second)", count(events as u64), count((events / took * 1e3) as u64))
            } else {
                String::new()
            };
            Some(format!("{name} replayed the log in {}{rate}{switched}", duration(took)))
        })
        .collect();
    (!told.is_empty()).then(|| told.join("; ") + ".")
}

fn extra(facts: &Facts) -> Option<String> {
    let named = |which: &dyn Fn(&ArchitectureFacts) -> bool| -> Vec<String> {
        facts.by_architecture.iter().filter(|(_, f)| which(f)).map(|(name, _)| name.clone()).collect()
    };
    let replaying = named(&|f| f.catch_up_ms.is_some() && f.fix_batch_run_ms.is_none());
    let recomputing = named(&|f| f.fix_batch_run_ms.is_some());
    let mut told = Vec::new();
    if !replaying.is_empty() {
        told.push(format!("{}: version 2's table stands beside version 1's until that is deleted", listed(&replaying)));
    }
    if !recomputing.is_empty() {
        told.push(format!("{}: version 2's views stand beside version 1's until those are deleted", listed(&recomputing)));
    }
    (!told.is_empty()).then(|| told.join("; ") + ".")
}

/// Where the worst and the best spend most.
fn largest_parts(
    question: &Question,
    facts: &Facts,
    what: &str,
    parts: fn(&ArchitectureFacts) -> &std::collections::BTreeMap<String, f64>,
) -> Option<String> {
    let ranking = ranked(question);
    let tell = |name: &str| {
        let f = facts.by_architecture.get(name)?;
        let total: f64 = parts(f).values().sum();
        let (part, most) = parts(f).iter().max_by(|a, b| a.1.total_cmp(b.1))?;
        (total > 0.0).then(|| {
            let runs = if part == "batch" && f.batch_runs > 0.0 {
                format!(" ({:.0} runs over the whole log)", f.batch_runs)
            } else {
                String::new()
            };
            format!("{name} spends {:.0} % {what} on {part}{runs}", 100.0 * most / total)
        })
    };
    let (worst, best) = (ranking.last()?.0, ranking.first()?.0);
    let mut told = vec![tell(worst)?];
    if best != worst {
        told.extend(tell(best));
    }
    Some(told.join("; ") + ".")
}

fn views_written(facts: &Facts) -> Option<String> {
    let told: Vec<String> = facts
        .by_architecture
        .iter()
        .filter(|(_, f)| f.batch_runs > 0.0)
        .map(|(name, f)| format!("{name} made {:.0} batch views and kept {} of them", f.batch_runs, bytes(f.view_bytes)))
        .collect();
    (!told.is_empty()).then(|| told.join("; ") + ".")
}

fn written_per_layer(question: &Question, facts: &Facts) -> Option<String> {
    let (most, _) = *ranked(question).last()?;
    let lines = &facts.by_architecture.get(most)?.lines_by_layer;
    if lines.len() < 2 {
        return None;
    }
    let parts: Vec<String> = lines.iter().map(|(layer, lines)| format!("{lines} for {layer}")).collect();
    Some(format!("{most} has the same logic written once per layer: {}.", listed(&parts)))
}

/// Architectures with a figure, the lowest first.
fn ranked(question: &Question) -> Vec<(&String, &Estimate)> {
    let mut ranked: Vec<_> = question.by_architecture.iter().filter(|(_, estimate)| estimate.median.is_some()).collect();
    ranked.sort_by(|a, b| a.1.median.unwrap_or(0.0).total_cmp(&b.1.median.unwrap_or(0.0)));
    ranked
}

/// `a, b and c`.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
