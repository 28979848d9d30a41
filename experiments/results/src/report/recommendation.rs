//! What to choose, in three sentences that the intervals allow: which and why, where it turns, what is not decided.

use super::questions::hash;
use super::why::listed;
use crate::number::{count, in_words, significant, times};
use crate::result::{BreakEven, CompareResult, ComparedSystem, Factor, HistorySource, KeptUp, Outcome, Settings, is_counted};
use crate::statistics::{PairedEffect, paired_effect};

/// What a choice rests on, in the order in which it is told: the question's id, and what there is less of.
pub const CRITERIA: [(&str, &str); 10] = [
    ("time_to_correct", "time until right after a fix"),
    ("freshness_p99", "wait for fresh answers (p99)"),
    ("freshness_dip", "loss of freshness while a fix comes in"),
    ("query_latency_p99", "time per read (p99)"),
    ("money_month", "money a month"),
    ("cpu_per_million", "CPU time"),
    ("rss", "memory"),
    ("extra_storage", "extra space while a fix comes in"),
    ("code_tokens", "code to write"),
    ("layers_touched", "layers to deploy together for a fix"),
];

/// Reasons for and against that are told.
const TOLD: usize = 3;

/// Needs `result.questions` and `result.effects`. Empty where there is nothing to choose from.
pub fn recommendation(result: &CompareResult) -> Vec<String> {
    let settings = &result.settings;
    let eligible: Vec<&ComparedSystem> =
        settings.systems.iter().filter(|system| has_runs(result, system) && keeps_up(result, system)).collect();
    if settings.systems.len() < 2 {
        return vec![];
    }
    let at = format!("At {}", played(settings));
    let crashed: Vec<String> = settings.systems.iter().filter(|s| !has_runs(result, s)).map(|s| s.name.clone()).collect();
    let [only] = eligible.as_slice() else {
        if eligible.is_empty() {
            let what =
                if crashed.len() == settings.systems.len() { "no run came to its end" } else { "none of them kept up with the events" };
            return vec![format!("{at}: {what}, so there is nothing to recommend.")];
        }
        return among(result, &eligible, &at);
    };
    if crashed.is_empty() {
        return vec![format!("{at}: {}, because nothing else kept up with the events.", only.name)];
    }
    vec![format!(
        "{at}: nothing to choose between, since of {} no run came to its end; {} kept up with the events.",
        listed(&crashed),
        only.name
    )]
}

fn among(result: &CompareResult, eligible: &[&ComparedSystem], at: &str) -> Vec<String> {
    let better = |a: &ComparedSystem, b: &ComparedSystem| {
        CRITERIA.iter().filter(|(id, _)| stands(result, id, a, b) == Some(Stands::Less)).count() as i64
    };
    let score = |a: &ComparedSystem| eligible.iter().map(|b| better(a, b) - better(b, a)).sum::<i64>();
    let mut ranked: Vec<(&ComparedSystem, i64)> = eligible.iter().map(|system| (*system, score(system))).collect();
    ranked.sort_by_key(|(_, score)| -score);
    let chosen = ranked[0].0;
    // The best of another architecture is what one hesitates about; the same one with another engine, where there is no other.
    let Some(rival) = ranked.iter().map(|(s, _)| *s).find(|s| s.wiring != chosen.wiring).or(ranked.get(1).map(|(s, _)| *s)) else {
        return vec![];
    };
    let mut less = Vec::new();
    let mut more = Vec::new();
    let mut open = Vec::new();
    for (id, noun) in CRITERIA {
        match (stands(result, id, chosen, rival), compared(result, id, chosen, rival)) {
            (Some(Stands::Less), Some(found)) => less.push(much(&found, noun, "less")),
            (Some(Stands::More), Some(found)) => more.push(much(&found, noun, "more")),
            (Some(Stands::Open), _) => open.push(noun.to_string()),
            _ => {}
        }
    }
    // In the order of the criteria; what comes late is in the table.
    less.truncate(TOLD);
    more.truncate(TOLD);
    let mut said = vec![if less.is_empty() && more.is_empty() {
        format!("{at}: {} or {}, since nothing that was measured tells them apart.", chosen.name, rival.name)
    } else if less.is_empty() {
        format!("{at}: {} by a hair; against {} it has {}.", chosen.name, rival.name, listed(&more))
    } else {
        let pays = if more.is_empty() { String::new() } else { format!("; it pays with {}", listed(&more)) };
        format!("{at}: {}, because against {} it has {}{pays}.", subject(result, chosen, rival), rival.name, listed(&less))
    }];
    said.push(turns(result, chosen, rival));
    said.push(match open.as_slice() {
        [] => "Between these two, nothing was left undecided.".into(),
        open => format!("Not decided between them: {}.", listed(open)),
    });
    said
}

/// The architecture where the engine does not explain it; else the system by its own name.
fn subject(result: &CompareResult, chosen: &ComparedSystem, rival: &ComparedSystem) -> String {
    let several = result.settings.systems.iter().filter(|system| system.wiring == chosen.wiring).count() > 1;
    let between = |from: &str, to: &str| {
        [chosen.wiring.as_str(), rival.wiring.as_str()].contains(&from)
            && from != to
            && [chosen.wiring.as_str(), rival.wiring.as_str()].contains(&to)
    };
    let mut effects = result
        .effects
        .iter()
        .filter(|e| e.factor == Factor::Architecture && between(&e.from, &e.to))
        .filter(|e| stands(result, &e.figure, chosen, rival) == Some(Stands::Less) && CRITERIA.iter().any(|(id, _)| *id == e.figure))
        .peekable();
    if several && chosen.wiring != rival.wiring && effects.peek().is_some() && effects.all(|e| e.decided && e.everywhere) {
        format!("{}, whatever its engine and language ({} is the best of them)", chosen.wiring, chosen.name)
    } else {
        chosen.name.clone()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Less,
    More,
    Open,
}

/// How one stands against another in a figure; none where either has none.
fn stands(result: &CompareResult, id: &str, this: &ComparedSystem, other: &ComparedSystem) -> Option<Stands> {
    let found = compared(result, id, this, other)?;
    let is_counted = is_counted(id);
    Some(match found.difference {
        difference if !(found.decided || is_counted) || difference == 0.0 => Stands::Open,
        difference if difference < 0.0 => Stands::Less,
        _ => Stands::More,
    })
    .filter(|stands| !(is_counted && *stands == Stands::Open))
}

fn compared(result: &CompareResult, id: &str, this: &ComparedSystem, other: &ComparedSystem) -> Option<PairedEffect> {
    let question = result.questions.iter().find(|question| question.id == id)?;
    let (a, b) = (question.by_architecture.get(&this.name)?, question.by_architecture.get(&other.name)?);
    let pairs: Vec<(f64, f64)> = a.values.iter().zip(&b.values).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    paired_effect(&pairs, result.provenance.seed ^ hash(id) ^ hash(&this.name) ^ hash(&other.name).rotate_left(1))
}

/// `2.1× less money a month`, `2× fewer layers to deploy together for a fix`.
fn much(found: &PairedEffect, noun: &str, way: &str) -> String {
    // Layers are counted; everything else is measured.
    let compared = if noun.starts_with("layers") && way == "less" { "fewer" } else { way };
    match found.ratio {
        Some(ratio) if ratio > 0.0 => format!("{} {compared} {noun}", times(if ratio < 1.0 { 1.0 / ratio } else { ratio })),
        _ if way == "less" => format!("no {noun}"),
        _ => format!("some {noun}"),
    }
}

fn turns(result: &CompareResult, chosen: &ComparedSystem, rival: &ComparedSystem) -> String {
    let Some(sweep) = &result.sweep else {
        return "Where it turns was not looked for: --sweep history=... does.".into();
    };
    let pair = [chosen.name.as_str(), rival.name.as_str()];
    let told: Vec<String> = sweep
        .break_evens
        .iter()
        .filter(|b| pair.contains(&b.below.as_str()) && pair.contains(&b.above.as_str()))
        .filter_map(|b| Some((b, noun(&b.figure)?)))
        .map(|(b, noun)| format!("for {noun} {}, {} below and {} above", at_break_even(b, &sweep.parameter), b.below, b.above))
        .collect();
    let (first, last) = (sweep.points.first().map_or(0.0, |p| p.value), sweep.points.last().map_or(0.0, |p| p.value));
    match told.as_slice() {
        [] => format!("It does not turn between {} and {}.", in_parameter(first, &sweep.parameter), in_parameter(last, &sweep.parameter)),
        told => format!("It turns {}.", listed(told)),
    }
}

fn noun(id: &str) -> Option<&'static str> {
    CRITERIA.iter().find(|(criterion, _)| *criterion == id).map(|(_, noun)| *noun)
}

/// `at 5.2 million events of history (4.8 million to 6.1 million)`.
pub fn at_break_even(b: &BreakEven, parameter: &str) -> String {
    let interval = match (b.low, b.high) {
        (Some(low), Some(high)) => format!(" ({} to {})", short(low), short(high)),
        (Some(low), None) => format!(" (from {} on, perhaps beyond what was tried)", short(low)),
        (None, Some(high)) => format!(" (up to {}, perhaps before what was tried)", short(high)),
        (None, None) => " (without an interval)".into(),
    };
    format!("at {}{interval}", in_parameter(b.at, parameter))
}

fn in_parameter(value: f64, parameter: &str) -> String {
    match parameter {
        "history" => format!("{} events of history", short(value)),
        "rate" => format!("{} events a second", short(value)),
        "speed-lateness" => format!("{} of lateness", in_words(value * 1e3, "ms")),
        other => format!("{} of {other}", short(value)),
    }
}

/// `5.2 million`.
fn short(value: f64) -> String {
    match value {
        _ if value >= 999.5e6 => format!("{} billion", significant(value / 1e9)),
        _ if value >= 999.5e3 => format!("{} million", significant(value / 1e6)),
        _ => count(value.round() as u64),
    }
}

fn has_runs(result: &CompareResult, system: &ComparedSystem) -> bool {
    result.runs.iter().any(|run| run.system == system.name && run.outcome == Outcome::Ok)
}

/// In half of its runs or more.
fn keeps_up(result: &CompareResult, system: &ComparedSystem) -> bool {
    let runs = || result.runs.iter().filter(|run| run.system == system.name && run.outcome == Outcome::Ok);
    2 * runs().filter(|run| run.kept_up == KeptUp::KeptUp).count() >= runs().count()
}

/// `10,000,000 events of history (recorded ones, tiled over 30 years) and 4,000 a second`: what was really played.
pub fn played(settings: &Settings) -> String {
    let from = match settings.history {
        HistorySource::Tiled { years } => format!(" (recorded ones, tiled over {years} years)"),
        HistorySource::Generated => " (generated)".into(),
        HistorySource::Recorded | HistorySource::File => String::new(),
    };
    format!("{} events of history{from} and {} a second", count(settings.events_history), count(settings.rate.round() as u64))
}

/// The month that money is told for, in words.
pub fn month(settings: &Settings) -> String {
    let month = &settings.month;
    format!(
        "{} events a day, kept for {} days, {} changes of the code a month, {} batch runs a day",
        short(month.events_per_day),
        significant(month.retention_days),
        significant(month.changes_per_month),
        significant(month.batch_runs_per_day)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::RunResult;
    use crate::sample::{sample, swept};

    fn again(mut result: CompareResult) -> Vec<String> {
        crate::conclude(&mut result);
        result.recommendation
    }

    #[test]
    fn three_sentences_which_why_where_it_turns_and_what_is_open() {
        let said = again(swept());
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with("At 304,776 events of history and 4,000 a second: kappa, because against "), "{said:?}");
        assert!(said[0].contains("× less"), "{said:?}");
        assert!(
            said[1].starts_with("It turns for time until right after a fix at ") && said[1].contains(" million events of history ("),
            "{said:?}"
        );
        assert!(said[2].starts_with("Not decided between them: "), "{said:?}");
    }

    #[test]
    fn what_is_counted_is_fewer_and_what_is_measured_is_less() {
        let effect = |ratio| PairedEffect { ratio, interval: None, difference: -1.0, decided: true };
        let layers = CRITERIA.iter().find(|(id, _)| *id == "layers_touched").unwrap().1;
        assert_eq!(much(&effect(Some(0.5)), layers, "less"), "2× fewer layers to deploy together for a fix");
        assert_eq!(much(&effect(Some(2.0)), layers, "more"), "2× more layers to deploy together for a fix");
        assert_eq!(
            much(&effect(Some(0.5)), "loss of freshness while a fix comes in", "less"),
            "2× less loss of freshness while a fix comes in"
        );
        assert_eq!(much(&effect(None), "memory", "less"), "no memory");
    }

    #[test]
    fn one_repeat_recommends_by_what_is_exact_alone() {
        let mut result = sample();
        result.runs.retain(|run| run.repeat == 0);
        result.settings.repeats = 1;
        let said = again(result);
        assert!(!said[0].contains("money") && !said[0].contains("CPU"), "{said:?}");
        assert!(said[2].contains("money a month"), "{said:?}");
    }

    #[test]
    fn who_cannot_keep_up_is_not_recommended() {
        let mut result = sample();
        let behind = |run: &&mut RunResult| run.system != "lambda";
        result.runs.iter_mut().filter(behind).for_each(|run| run.kept_up = KeptUp::FellBehind { since_s: 2.0 });
        assert!(again(result.clone())[0].ends_with(": lambda, because nothing else kept up with the events."));
        result.runs.iter_mut().for_each(|run| run.kept_up = KeptUp::FellBehind { since_s: 2.0 });
        assert!(again(result)[0].contains("none of them kept up"));
    }

    #[test]
    fn equals_are_told_as_equals() {
        let mut result = sample();
        result.settings.systems.retain(|system| system.name == "lambda" || system.name == "kappa");
        let lambda: Vec<RunResult> = result.runs.iter().filter(|run| run.system == "lambda").cloned().collect();
        result.runs = lambda.clone();
        result.runs.extend(lambda.into_iter().map(|run| RunResult { system: "kappa".into(), ..run }));
        assert!(again(result)[0].contains("nothing that was measured tells them apart"));
    }

    #[test]
    fn what_was_played_is_told() {
        let mut settings = sample().settings;
        settings.events_history = 10_000_000;
        settings.history = HistorySource::Tiled { years: 30 };
        assert_eq!(played(&settings), "10,000,000 events of history (recorded ones, tiled over 30 years) and 4,000 a second");
    }
}
