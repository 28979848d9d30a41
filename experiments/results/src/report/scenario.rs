//! A scenario's `report.html`, and how it reads in a terminal.

use std::fmt::Write;

use super::page::{fill, in_script};
use crate::number;
use crate::scenario::{Cell, Figure, ScenarioResult};

const TEMPLATE: &str = include_str!("page/scenario.html");
const SCRIPTS: [&str; 2] = [include_str!("page/lines.js"), include_str!("page/scenario.js")];
/// What a line of the terminal holds at most of a sentence.
const WIDTH: usize = 110;

/// The page.
pub fn page(result: &ScenarioResult) -> String {
    let data = serde_json::to_string(result).expect("a result is plain data");
    fill(TEMPLATE, &SCRIPTS, &[("data", in_script(&data))])
}

/// Question, verdict, figures and findings as text.
pub fn text(result: &ScenarioResult) -> String {
    let mut out = String::new();
    let mut say = |line: &str| out += &format!("{}\n", textwrap::fill(line, textwrap::Options::new(WIDTH).subsequent_indent("  ")));
    say(&format!("{}: {}", result.scenario, result.asks));
    say(&format!("hypothesis: {} ({})", result.hypothesis.says, result.hypothesis.source));
    let small = if result.quick { " (run small: it shows that it works, not what is so)" } else { "" };
    say(&format!("verdict: {}{small}. {}", result.verdict.name(), result.because));
    out.push('\n');
    let rows: Vec<[String; 4]> = result.figures.iter().map(row).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for [figure, of, value, interval] in &rows {
        let line = format!("{figure:<0$}  {of:<1$}  {value:>2$}  {interval}", widths[0], widths[1], widths[2]);
        out += line.trim_end();
        out.push('\n');
    }
    for table in &result.tables {
        out += &table_text(&table.title, &table.columns, &table.rows);
    }
    if !result.findings.is_empty() {
        out.push('\n');
    }
    for finding in &result.findings {
        out += &textwrap::fill(finding, textwrap::Options::new(WIDTH).initial_indent("- ").subsequent_indent("  "));
        out.push('\n');
    }
    out
}

fn row(figure: &Figure) -> [String; 4] {
    let words = |value: f64| in_words(value, &figure.unit);
    let interval = match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!("[{} to {}]", words(low), words(high)),
        _ => String::new(),
    };
    [figure.figure.clone(), figure.of.clone(), figure.value.map_or("–".into(), words), interval]
}

fn table_text(title: &str, columns: &[String], rows: &[Vec<Cell>]) -> String {
    let texts: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let length = |text: &str| text.chars().count();
    let width = |i: usize| texts.iter().filter_map(|row| row.get(i)).map(|t| length(t)).chain([length(&columns[i])]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = format!("\n{title}\n");
    for row in std::iter::once(columns).chain(texts.iter().map(Vec::as_slice)) {
        let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    out
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Value(value, unit) => in_words(*value, unit),
    }
}

/// As [`number::in_words`], with the units that scenarios have beside those of a comparison.
pub fn in_words(value: f64, unit: &str) -> String {
    match unit {
        "ratio" => number::times(value),
        "number" => number::significant(value),
        "events_per_s" => format!("{}/s", number::count(value.max(0.0).round() as u64)),
        "count" | "events" if value >= 0.0 => number::count(value.round() as u64),
        _ => number::in_words(value, unit),
    }
}
