//! The table in the terminal: one line per question, a column per architecture, and why.

use std::fmt::Write;

use console::{Style, measure_text_width};

use super::questions::section;
use super::recommendation::played;
use crate::number::{count, duration, in_words};
use crate::result::{CompareResult, ComparedSystem, Outcome, Question};
use crate::statistics::REPEATS_BOOTSTRAP_MIN;

/// Narrower than this, cells would not fit.
const WIDTH_MIN: usize = 80;
/// Wider than this, lines are hard to read.
const WIDTH_MAX: usize = 120;
const CELL: usize = 13;
/// What is told of each of many systems, under short titles.
const COLUMNS: [(&str, &str); 6] = [
    ("freshness_p99", "fresh (p99)"),
    ("time_to_correct", "right after"),
    ("cpu_per_million", "CPU/million"),
    ("rss", "memory"),
    ("money_month", "a month"),
    ("code_lines", "lines"),
];
const WINNER: &str = "★";
const TIED: &str = "≈";

/// How the table is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub width: usize,
    pub colour: bool,
}

impl Look {
    /// That of standard output: its width and, unless `NO_COLOR` is set or it is no terminal, its colours.
    pub fn of_stdout() -> Self {
        let terminal = console::Term::stdout();
        let width = if terminal.is_term() { usize::from(terminal.size().1) } else { 110 };
        Look { width: width.clamp(WIDTH_MIN, WIDTH_MAX), colour: console::colors_enabled() }
    }
}

/// The whole of what `compare` prints, but for where the files are.
pub fn table(result: &CompareResult, look: Look) -> String {
    let style = |style: Style| style.force_styling(look.colour);
    let (bold, dim, good, bad) =
        (style(Style::new().bold()), style(Style::new().dim()), style(Style::new().green().bold()), style(Style::new().red().bold()));
    let settings = &result.settings;
    let cell = CELL.max(settings.systems.iter().map(|system| system.name.len() + 1).max().unwrap_or(0));
    let label = look.width.saturating_sub(cell * settings.systems.len()).max(24);
    let mut out = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(out, "{}", text.trim_end());
    };

    wrapped(&headline(result), look.width).iter().for_each(|part| line(&bold.apply_to(part).to_string()));
    for sentence in &result.recommendation {
        wrapped(sentence, look.width).iter().for_each(|part| line(part));
    }
    for run in &result.runs {
        if let Outcome::Crashed { message, .. } = &run.outcome {
            line(&bad.apply_to(format!("{} (repeat {}) {message}", run.system, run.repeat + 1)).to_string());
        }
    }
    let fits = 24 + cell * settings.systems.len() <= look.width;
    if !fits {
        line("");
        for (text, is_best) in by_system(result) {
            line(&if is_best { good.apply_to(text).to_string() } else { text });
        }
    }
    let mut header = " ".repeat(label);
    settings.systems.iter().for_each(|system| header += &right(&system.name, cell));
    let mut last_section = "";
    for question in result.questions.iter().filter(|_| fits) {
        let section = section(&question.id);
        if section != last_section {
            line("");
            let title = right_pad(section, label);
            line(&bold.apply_to(format!("{title}{}", &header[label.min(header.len())..])).to_string());
            last_section = section;
        }
        let loud = question.id == "wrong_engine"
            && question.by_architecture.values().any(|e| e.median > Some(0.0) || e.values.iter().flatten().any(|v| *v > 0.0));
        let asked = wrapped(&question.question, label.saturating_sub(2));
        for (index, part) in asked.iter().enumerate() {
            let last = index + 1 == asked.len();
            let mut text = right_pad(part, label);
            if last {
                for ComparedSystem { name, .. } in &settings.systems {
                    let (figure, mark) = cell_text(question, name);
                    let cell_text = right(&format!("{figure} {}", mark.unwrap_or(" ")), cell);
                    text += &match mark {
                        _ if loud => bad.apply_to(cell_text).to_string(),
                        Some(WINNER) => good.apply_to(cell_text).to_string(),
                        _ => cell_text,
                    };
                }
            }
            line(&text);
        }
        for part in wrapped(&question.why, look.width.saturating_sub(4)) {
            line(&if loud { bad.apply_to(format!("  {part}")) } else { dim.apply_to(format!("  {part}")) }.to_string());
        }
    }
    if !result.findings.is_empty() {
        line("");
        line(&bold.apply_to("In short").to_string());
        for finding in &result.findings {
            for (index, part) in wrapped(finding, look.width.saturating_sub(4)).iter().enumerate() {
                line(&format!("{}{part}", if index == 0 { "- " } else { "  " }));
            }
        }
    }
    line("");
    wrapped(&legend(settings.repeats), look.width).iter().for_each(|part| line(&dim.apply_to(part).to_string()));
    out
}

/// Where there are too many systems for a column each: a line for each, with the figures that a choice rests on, and whether it is the best in one of them. The
/// report has the rest.
fn by_system(result: &CompareResult) -> Vec<(String, bool)> {
    let columns: Vec<(&str, &Question)> =
        COLUMNS.iter().filter_map(|(id, title)| Some((*title, result.questions.iter().find(|question| question.id == *id)?))).collect();
    let names = result.settings.systems.iter().map(|system| system.name.as_str());
    let label = names.clone().map(measure_text_width).max().unwrap_or(0) + 1;
    let header = columns.iter().map(|(title, _)| right(title, CELL)).collect::<String>();
    let lines = names.map(|name| {
        let cells: Vec<(String, Option<&str>)> = columns.iter().map(|(_, question)| cell_text(question, name)).collect();
        let is_best = cells.iter().any(|(_, mark)| *mark == Some(WINNER));
        let cells = cells.iter().map(|(figure, mark)| right(&format!("{figure} {}", mark.unwrap_or(" ")), CELL));
        (format!("{}{}", right_pad(name, label), cells.collect::<String>()), is_best)
    });
    std::iter::once((format!("{}{header}", right_pad("", label)), false)).chain(lines).collect()
}

fn legend(repeats: u32) -> String {
    let few = match repeats as usize {
        n if n < REPEATS_BOOTSTRAP_MIN => {
            format!(" With {n} of them only clear differences can be told; --repeats {REPEATS_BOOTSTRAP_MIN} tells smaller ones.")
        }
        _ => String::new(),
    };
    format!(
        "Less is better on every line. {WINNER} the best: its 95 % interval against every other, over the repeats, leaves no doubt. {TIED} the best and those that cannot be told from it. – no figure.{few}"
    )
}

fn headline(result: &CompareResult) -> String {
    let settings = &result.settings;
    format!(
        "{}: {}, {} of them in {}; medians of {} repeat{}{}",
        settings.workload,
        played(settings),
        count(settings.events_steady),
        duration(settings.duration_s * 1e3),
        settings.repeats,
        if settings.repeats == 1 { "" } else { "s" },
        settings.log.as_ref().map(|place| format!("; the log is kept by Kafka at {place}")).unwrap_or_default()
    )
}

fn cell_text(question: &Question, architecture: &str) -> (String, Option<&'static str>) {
    let Some(median) = question.by_architecture.get(architecture).and_then(|estimate| estimate.median) else { return ("–".into(), None) };
    let mark = if question.winner.as_deref() == Some(architecture) {
        Some(WINNER)
    } else if question.tied.len() > 1
        && question.tied.len() < question.by_architecture.len()
        && question.tied.iter().any(|name| name == architecture)
    {
        Some(TIED)
    } else {
        None
    };
    (in_words(median, &question.unit), mark)
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    if text.is_empty() {
        return vec![];
    }
    textwrap::wrap(text, width).into_iter().map(|line| line.into_owned()).collect()
}

fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(measure_text_width(text))))
}

fn right_pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(measure_text_width(text))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample;

    const PLAIN: Look = Look { width: 110, colour: false };

    #[test]
    fn a_whole_comparison() {
        insta::assert_snapshot!(table(&sample(), PLAIN));
    }

    /// More systems than columns fit: a line each.
    #[test]
    fn many_systems_have_a_line_each() {
        let mut result = sample();
        let long = |name: &str| format!("{name}+differential+by-hand");
        result.settings.systems.iter_mut().for_each(|system| system.name = long(&system.name));
        result.runs.iter_mut().for_each(|run| run.system = long(&run.system));
        crate::conclude(&mut result);
        let text = table(&result, Look { width: 120, colour: false });
        for system in &result.settings.systems {
            let lines = text.lines().filter(|line| line.starts_with(&system.name)).count();
            assert_eq!(lines, 1, "{}:\n{text}", system.name);
        }
        assert!(text.contains("fresh (p99)") && !text.contains("How fresh"), "{text}");
    }

    #[test]
    fn a_crash_a_bug_and_an_interruption_are_loud() {
        let mut result = sample();
        result.runs.pop();
        result.complete = false;
        result.runs[0].outcome = Outcome::Crashed { message: "was killed by signal 9".into(), exit_code: None, signal: Some(9) };
        result.runs[1].answers.wrong_engine = 3;
        crate::conclude(&mut result);
        insta::assert_snapshot!(table(&result, PLAIN));
    }

    #[test]
    fn no_line_is_wider_than_asked_and_none_is_coloured_unasked() {
        for width in [80, 100, 120] {
            let text = table(&sample(), Look { width, colour: false });
            assert!(!text.contains('\u{1b}'));
            for line in text.lines() {
                assert!(measure_text_width(line) <= width, "{width}: {line}");
            }
        }
        assert!(table(&sample(), Look { width: 110, colour: true }).contains('\u{1b}'));
    }
}
