//! Runs side by side, over commits too: one page for any number of results that were kept.

use serde::Serialize;

use super::page::{fill, in_script};
use crate::kept::{Kept, Summary, apart};
use crate::scenario::Figure;

const TEMPLATE: &str = include_str!("page/beside.html");
const SCRIPTS: [&str; 2] = [include_str!("page/lines.js"), include_str!("page/beside.js")];

/// The runs of one question.
#[derive(Serialize)]
struct Group {
    scenario: String,
    /// The oldest first.
    runs: Vec<Summary>,
    figures: Vec<Beside>,
}

/// A figure in every run of a group; none where a run has it not.
#[derive(Serialize)]
struct Beside {
    figure: String,
    of: String,
    unit: String,
    values: Vec<Option<Value>>,
}

#[derive(Serialize)]
struct Value {
    value: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    /// From the first run that has the figure.
    apart: bool,
}

/// The page of some runs, by their names.
pub fn page(runs: &[(String, Kept)]) -> String {
    let data = serde_json::to_string(&groups(runs)).expect("figures are plain data");
    fill(TEMPLATE, &SCRIPTS, &[("data", in_script(&data))])
}

fn groups(runs: &[(String, Kept)]) -> Vec<Group> {
    let mut sorted: Vec<(Summary, Vec<Figure>)> = runs.iter().map(|(run, kept)| (kept.summary(run), kept.figures())).collect();
    sorted.sort_by(|a, b| (&a.0.scenario, &a.0.started, &a.0.run).cmp(&(&b.0.scenario, &b.0.started, &b.0.run)));
    sorted
        .chunk_by(|a, b| a.0.scenario == b.0.scenario)
        .map(|runs| Group {
            scenario: runs[0].0.scenario.clone(),
            runs: runs.iter().map(|(summary, _)| summary.clone()).collect(),
            figures: beside(&runs.iter().map(|(_, figures)| figures.as_slice()).collect::<Vec<_>>()),
        })
        .collect()
}

/// In the order in which runs name them, the newest run's order first.
fn beside(runs: &[&[Figure]]) -> Vec<Beside> {
    let mut names: Vec<&Figure> = vec![];
    for figure in runs.iter().rev().flat_map(|figures| figures.iter()) {
        if !names.iter().any(|known| known.figure == figure.figure && known.of == figure.of) {
            names.push(figure);
        }
    }
    let in_runs = |name: &Figure| {
        let of_runs: Vec<Option<&Figure>> =
            runs.iter().map(|figures| figures.iter().find(|f| f.figure == name.figure && f.of == name.of)).collect();
        let first = of_runs.iter().flatten().next().copied();
        let value = |figure: Option<&Figure>| {
            figure.map(|f| Value { value: f.value, low: f.low, high: f.high, apart: first.is_some_and(|first| apart(first, f)) })
        };
        let values = of_runs.into_iter().map(value).collect();
        Beside { figure: name.figure.clone(), of: name.of.clone(), unit: name.unit.clone(), values }
    };
    names.into_iter().map(in_runs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_stands_beside_itself() {
        let counted = |value| Figure::exact("wrong", "a", "count", value);
        let (first, second) = ([counted(1.0)], [counted(2.0), Figure::exact("new", "", "count", 0.0)]);
        let found = beside(&[&first, &second]);
        assert_eq!(found.iter().map(|b| b.figure.as_str()).collect::<Vec<_>>(), ["wrong", "new"]);
        let values: Vec<(Option<f64>, bool)> = found[0].values.iter().flatten().map(|v| (v.value, v.apart)).collect();
        assert_eq!(values, [(Some(1.0), false), (Some(2.0), true)]);
        assert!(found[1].values[0].is_none() && !found[1].values[1].as_ref().unwrap().apart, "there is nothing to differ from");
    }
}
