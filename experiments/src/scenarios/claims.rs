//! `claims`: what has been published, laid beside what is measured here. Each claim stands in `claims.toml` with its source, the figure there,
//! and the figure of a scenario that it is tied to; the scenarios are run short.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use twopath_results::report::scenario::in_words;
use twopath_results::scenario::{Cell, Figure, Table, Verdict};
use twopath_results::statistics::paired_effect;

use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "claims",
    asks: "What has been published about Lambda and Kappa, and what is measured here?",
    says: "What is published about architectures holds on this machine, too.",
    source: "each claim names its own, in experiments/src/scenarios/claims.toml",
    confirmed_by: "every claim is confirmed by its scenario, run short; refuted where one is refuted",
    repeats: (3, 1),
    run,
};

const FILE: &str = "claims.toml";
const CLAIMS: &str = include_str!("claims.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    claim: String,
    source: String,
    /// What of the source was read; begins with "not" where the figure or the sentence could not be seen.
    checked: String,
    published: String,
    scenario: String,
    figure: String,
    of: String,
    #[serde(default)]
    pick: Pick,
    over: Option<String>,
    over_figure: Option<String>,
    #[serde(default)]
    pick_over: Pick,
    low: f64,
    high: f64,
    unit: String,
    means: String,
}

/// Of several figures whose names begin alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pick {
    First,
    #[default]
    Last,
}

/// A line of the result.
#[derive(Debug, Clone, Serialize)]
struct Judged {
    claim: String,
    source: String,
    checked: String,
    published: String,
    /// In words, as `published` is.
    measured: String,
    verdict: Verdict,
    /// Which scenario measured it, as a number, with its interval where there is one.
    scenario: String,
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    unit: String,
    /// What the figure means for the claim.
    means: String,
}

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let claims = read(CLAIMS)?;
    let mut measured: BTreeMap<&str, Notes> = BTreeMap::new();
    for claim in &claims {
        if measured.contains_key(claim.scenario.as_str()) {
            continue;
        }
        let scenario = lab
            .all
            .iter()
            .find(|s| s.name == claim.scenario)
            .ok_or_else(|| ScenarioError::Claims { file: FILE, problem: format!("there is no scenario '{}'", claim.scenario) })?;
        if scenario.check_built().is_err() {
            continue;
        }
        lab.step(&format!("scenario {}", claim.scenario))?;
        let found = short(lab, scenario)?;
        notes.answers_checked += found.answers_checked;
        notes.answers_wrong_by_engine += found.answers_wrong_by_engine;
        notes.events_never_covered += found.events_never_covered;
        notes.files.extend(found.files.iter().map(|file| format!("{}/{file}", claim.scenario)));
        measured.insert(&claim.scenario, found);
    }
    let judged = claims.iter().map(|claim| judge(claim, measured.get(claim.scenario.as_str()), lab.seed)).collect::<Result<Vec<_>, _>>()?;
    let row = |j: &Judged| -> Vec<Cell> {
        let texts = [&j.claim, &j.published, &j.measured];
        texts
            .into_iter()
            .map(|text| Cell::from(text.as_str()))
            .chain([j.verdict.name().into(), j.scenario.as_str().into()])
            .chain([&j.source, &j.checked].map(|text| Cell::from(text.as_str())))
            .collect()
    };
    notes.tables.push(Table {
        title: "Published, and measured here".into(),
        columns: ["claim", "published", "measured here", "verdict", "by scenario", "source", "of the source was read"]
            .map(String::from)
            .to_vec(),
        rows: judged.iter().map(row).collect(),
    });
    let count = |verdict: Verdict| judged.iter().filter(|j| j.verdict == verdict).count();
    let counts = [Verdict::Confirmed, Verdict::Refuted, Verdict::Undecided].map(|verdict| (verdict, count(verdict)));
    for (verdict, count) in counts {
        notes.figures.push(Figure::exact("claims", verdict.name(), "count", count as f64));
    }
    let because =
        format!("Of {} claims, {} were confirmed, {} refuted, {} not decided.", judged.len(), counts[0].1, counts[1].1, counts[2].1);
    notes.conclude(Verdict::all(judged.iter().map(|j| j.verdict)), because);
    notes.more.insert("claims".into(), serde_json::to_value(&judged).expect("a claim is plain data"));
    Ok(())
}

fn read(text: &str) -> Result<Vec<Claim>, ScenarioError> {
    #[derive(Deserialize)]
    struct File {
        claim: Vec<Claim>,
    }
    let file: File = toml::from_str(text).map_err(|e| ScenarioError::Claims { file: FILE, problem: e.to_string() })?;
    Ok(file.claim)
}

/// Runs a scenario small, with its results in a folder of this one. Its frame's own figures are added here.
fn short(lab: &Lab, scenario: &Scenario) -> Result<Notes, ScenarioError> {
    let mut notes = Notes::default();
    let repeats = scenario.repeats.1.max(lab.repeats);
    (scenario.run)(&lab.within(scenario.name, repeats), &mut notes)?;
    let counted = [
        Figure::exact("answers_wrong_by_an_engine", "all runs", "count", notes.answers_wrong_by_engine as f64),
        Figure::exact("events_never_covered", "all runs", "events", notes.events_never_covered as f64),
    ];
    notes.figures.extend(counted);
    Ok(notes)
}

/// By what its scenario found; by nothing, where this program was built without it.
fn judge(claim: &Claim, notes: Option<&Notes>, seed: u64) -> Result<Judged, ScenarioError> {
    let estimate = match (notes, &claim.over) {
        (None, _) => Estimate::NONE,
        (Some(notes), None) => Estimate::of(find(notes, claim, (&claim.figure, &claim.of, claim.pick))?),
        (Some(notes), Some(over)) => {
            let name = claim.over_figure.as_ref().unwrap_or(&claim.figure);
            let figure = find(notes, claim, (&claim.figure, &claim.of, claim.pick))?;
            Estimate::ratio(figure, find(notes, claim, (name, over, claim.pick_over))?, seed)
        }
    };
    let words = |value: f64| in_words(value, &claim.unit);
    let measured = match (estimate.value, estimate.low, estimate.high) {
        _ if notes.is_none() => format!("nothing: built without the scenario '{}'", claim.scenario),
        (Some(value), Some(low), Some(high)) => format!("{} [{} to {}]", words(value), words(low), words(high)),
        (Some(value), ..) => words(value),
        (None, ..) => "nothing".into(),
    };
    Ok(Judged {
        claim: claim.claim.clone(),
        source: claim.source.clone(),
        checked: claim.checked.clone(),
        published: claim.published.clone(),
        measured,
        verdict: estimate.within(claim.low, claim.high),
        scenario: claim.scenario.clone(),
        value: estimate.value,
        low: estimate.low,
        high: estimate.high,
        unit: claim.unit.clone(),
        means: claim.means.clone(),
    })
}

fn find<'n>(notes: &'n Notes, claim: &Claim, (name, of, pick): (&str, &str, Pick)) -> Result<&'n Figure, ScenarioError> {
    let fits =
        |figure: &&Figure| figure.figure == name && of.strip_suffix('*').map_or(figure.of == of, |start| figure.of.starts_with(start));
    let found = match pick {
        Pick::First => notes.figures.iter().find(fits),
        Pick::Last => notes.figures.iter().rfind(fits),
    };
    found.ok_or_else(|| ScenarioError::Claims {
        file: FILE,
        problem: format!("scenario '{}' has no figure '{name}' of '{of}'", claim.scenario),
    })
}

/// What was measured, and how sure it is.
struct Estimate {
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    /// Counted or simulated: the value is what it is.
    exact: bool,
}

impl Estimate {
    const NONE: Estimate = Estimate { value: None, low: None, high: None, exact: false };

    fn of(figure: &Figure) -> Self {
        let exact = figure.values.is_empty() && figure.low.is_none();
        Estimate { value: figure.value, low: figure.low, high: figure.high, exact }
    }

    /// Paired by repeat, where both were measured more than once.
    fn ratio(a: &Figure, b: &Figure, seed: u64) -> Self {
        let (of_a, of_b) = (Estimate::of(a), Estimate::of(b));
        let value = a.value.zip(b.value).filter(|(_, b)| *b > 0.0).map(|(a, b)| a / b);
        let pairs: Vec<(f64, f64)> = a.values.iter().copied().zip(b.values.iter().copied()).collect();
        let interval = paired_effect(&pairs, seed).and_then(|effect| effect.interval);
        let (low, high) = interval.map_or((None, None), |(low, high)| (Some(low), Some(high)));
        Estimate { value, low, high, exact: of_a.exact && of_b.exact }
    }

    /// Whether it lies within a range. What was measured once decides nothing.
    fn within(&self, least: f64, most: f64) -> Verdict {
        let (low, high) = match (self.low, self.high, self.value) {
            (Some(low), Some(high), _) => (low, high),
            (_, _, Some(value)) if self.exact => (value, value),
            _ => return Verdict::Undecided,
        };
        match (low >= least && high <= most, high < least || low > most) {
            (true, _) => Verdict::Confirmed,
            (_, true) => Verdict::Refuted,
            _ => Verdict::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::SCENARIOS;
    use super::*;

    #[test]
    fn every_claim_is_tied_to_a_scenario() {
        let claims = read(CLAIMS).unwrap();
        assert!(claims.len() >= 12);
        for claim in &claims {
            assert!(SCENARIOS.iter().any(|s| s.name == claim.scenario && s.name != "claims"), "{}", claim.claim);
            assert!(
                claim.low <= claim.high && !claim.source.is_empty() && !claim.checked.is_empty() && !claim.means.is_empty(),
                "{}",
                claim.claim
            );
        }
    }

    #[test]
    fn what_was_measured_once_decides_nothing() {
        let once = Figure::measured("f", "", "ratio", &[2.0], 1);
        assert_eq!(Estimate::of(&once).within(1.0, 3.0), Verdict::Undecided);
        let counted = Figure::exact("f", "", "count", 0.0);
        assert_eq!(Estimate::of(&counted).within(0.0, 0.0), Verdict::Confirmed);
        assert_eq!(Estimate::of(&counted).within(1.0, 9.0), Verdict::Refuted);
        let often = Figure::measured("f", "", "ratio", &[2.0, 2.1, 1.9], 1);
        assert_eq!(Estimate::of(&often).within(1.0, 3.0), Verdict::Confirmed);
        assert_eq!(Estimate::of(&often).within(2.0, 3.0), Verdict::Undecided);
        let half = Figure::measured("f", "", "ratio", &[1.0, 1.05, 0.95], 1);
        let ratio = Estimate::ratio(&often, &half, 1);
        assert_eq!((ratio.value, ratio.within(1.5, 2.5)), (Some(2.0), Verdict::Confirmed));
    }
}
