//! What code an architecture makes people write, and what a fix of it touches.
//!
//! The figures are made from the program's own sources: of the hand-written logic of each layer that the architecture has, the
//! function of the compared query with the helpers that it calls, as it stands between the `logic` markers; or the SQL text.
//! What all queries share (reading columns, starting windows) is not counted, nor is any of Twopath.

use super::Job;
use twopath_results::result::{Code, Listing};

const BATCH: &str = include_str!("../../../batch/src/jobs/flights.rs");

/// A layer for which people write the logic of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// For polars, by hand.
    Batch,
    /// For timely, by hand.
    Speed,
    /// For both, in SQL.
    Sql,
}

/// The code figures of an architecture that has `parts`. Where a job has no hand-written logic, its SQL stands for all parts.
pub fn code(job: &Job, parts: &[Part]) -> Code {
    let mut listings = Vec::new();
    for part in parts {
        let (listing, hand) = match part {
            Part::Batch => (by_hand("batch", "hand-written for polars", BATCH, job), job.v1.hand_batch.is_some()),
            Part::Speed => (speed(job), job.v1.hand_speed.is_some()),
            Part::Sql => (None, false),
        };
        listings.push(listing.filter(|_| hand).unwrap_or_else(|| sql(job)));
    }
    listings.dedup_by(|a, b| a.v1 == b.v1 && a.v2 == b.v2);
    Code {
        lines: listings.iter().map(|l| logic_lines(&l.v1).len() as u64).sum(),
        functions: listings.iter().map(functions).sum(),
        places_touched: listings.iter().map(|l| places_touched(&l.v1, &l.v2)).sum(),
        listings,
    }
}

fn sql(job: &Job) -> Listing {
    Listing {
        layer: "both".into(),
        title: "SQL, compiled to every layer".into(),
        language: "sql".into(),
        v1: job.v1.sql.clone(),
        v2: job.v2.sql.clone(),
    }
}

/// The whole files of final values; nothing of a query stands outside them but the prelude.
fn speed(job: &Job) -> Option<Listing> {
    let source = |version: &super::Version| version.hand_speed.map(|written| written.source.to_owned());
    Some(Listing {
        layer: "speed".into(),
        title: "hand-written for timely".into(),
        language: "rust".into(),
        v1: source(&job.v1)?,
        v2: source(&job.v2)?,
    })
}

fn by_hand(layer: &str, title: &str, source: &str, job: &Job) -> Option<Listing> {
    Some(Listing {
        layer: layer.into(),
        title: title.into(),
        language: "rust".into(),
        v1: query_source(source, &job.name, 1)?,
        v2: query_source(source, &job.name, 2)?,
    })
}

/// A SQL text counts as one function.
fn functions(listing: &Listing) -> u64 {
    match listing.language.as_str() {
        "sql" => 1,
        _ => logic_lines(&listing.v1).iter().filter(|line| name_of_function(line).is_some()).count() as u64,
    }
}

/// Lines without blanks and comments, trimmed.
fn logic_lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("//") && !l.starts_with("--")).collect()
}

/// Runs of changed lines between two texts.
fn places_touched(v1: &str, v2: &str) -> u64 {
    let (a, b) = (logic_lines(v1), logic_lines(v2));
    // kept[i][j]: the most lines that a[i..] and b[j..] have in common, in order.
    let mut kept = vec![vec![0u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            kept[i][j] = if a[i] == b[j] { kept[i + 1][j + 1] + 1 } else { kept[i + 1][j].max(kept[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut places, mut in_change) = (0, 0, 0, false);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j, in_change) = (i + 1, j + 1, false);
            continue;
        }
        places += u64::from(!in_change);
        in_change = true;
        if j == b.len() || (i < a.len() && kept[i + 1][j] >= kept[i][j + 1]) { i += 1 } else { j += 1 }
    }
    places
}

/// A query's function in one version with the helpers that it calls, in the source's order.
fn query_source(source: &str, query: &str, version: u32) -> Option<String> {
    let functions: Vec<(&str, String)> =
        [format!("version {version}"), "both versions".into()].iter().flat_map(|part| functions_between(source, part)).collect();
    let mut wanted = vec![functions.iter().position(|(name, _)| *name == query)?];
    let mut looked_at = 0;
    while let Some(&at) = wanted.get(looked_at) {
        let text = &functions[at].1;
        let called = functions.iter().enumerate().filter(|(_, (name, _))| calls(text, name)).map(|(i, _)| i);
        for i in called.collect::<Vec<_>>() {
            if !wanted.contains(&i) {
                wanted.push(i);
            }
        }
        looked_at += 1;
    }
    wanted.sort_unstable();
    Some(wanted.into_iter().map(|i| functions[i].1.as_str()).collect::<Vec<_>>().join("\n"))
}

/// The functions, with their doc comments, between the markers of one part of a source; their indentation taken away.
fn functions_between<'a>(source: &'a str, part: &str) -> Vec<(&'a str, String)> {
    let is_marker = |line: &str, which: &str| line.trim() == format!("// logic: {which} {part}");
    let inside = source.lines().skip_while(|l| !is_marker(l, "begin")).skip(1).take_while(|l| !is_marker(l, "end"));
    let mut functions = Vec::new();
    let mut name = None;
    let mut lines: Vec<&str> = Vec::new();
    for line in inside {
        let indent = line.len() - line.trim_start().len();
        name = name.or_else(|| name_of_function(line));
        lines.push(line);
        let outermost = lines.iter().map(|l| l.len() - l.trim_start().len()).min() == Some(indent);
        if line.trim() == "}" && outermost {
            let dedented = lines.iter().skip_while(|l| l.trim().is_empty()).map(|l| l.get(indent..).unwrap_or_default());
            let text = dedented.map(|l| format!("{l}\n")).collect();
            functions.extend(name.take().map(|name| (name, text)));
            lines.clear();
        } else if line.trim().is_empty() {
            lines.pop();
        }
    }
    functions
}

fn name_of_function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

/// Whether a text mentions a name as a word.
fn calls(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(|c| is_word(c) || c == '"');
        let after = text[at + name.len()..].chars().next();
        !before && after == Some('(') && !text[..at].ends_with("fn ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
fn shared_by_all() {}
mod v1 {
    // logic: begin version 1
    /// In minutes.
    fn delay() -> Expr {
        a() - b()
    }

    pub fn delays(flights: Frame) -> Frame {
        if flights.empty() {
            return flights;
        }
        flights.map(delay(x))
    }

    fn others() {
        cancelled()
    }
    // logic: end version 1
}
    // logic: begin version 2
    fn minutes() {
    }
    fn delay() -> Expr {
        minutes(a()) - minutes(b())
    }
    pub fn delays(flights: Frame) -> Frame {
        if flights.empty() {
            return flights;
        }
        flights.map(delay(x))
    }
    // logic: end version 2
// logic: begin both versions
fn cancelled() {}
fn totals() {
}
// logic: end both versions
";

    #[test]
    fn a_query_stands_with_what_it_calls() {
        let v1 = query_source(SOURCE, "delays", 1).unwrap();
        assert!(v1.starts_with("/// In minutes.\nfn delay() -> Expr {\n    a() - b()\n}\n\npub fn delays("), "{v1}");
        assert!(v1.ends_with("    flights.map(delay(x))\n}\n"), "{v1}");
        assert!(!v1.contains("others"));
        let v2 = query_source(SOURCE, "delays", 2).unwrap();
        assert!(v2.contains("fn minutes"), "a helper's helper: {v2}");
        assert_eq!(query_source(SOURCE, "totals", 1), query_source(SOURCE, "totals", 2));
        assert_eq!(query_source(SOURCE, "delay_by_nobody", 1), None);
    }

    #[test]
    fn lines_functions_and_places_are_counted() {
        let v1 = query_source(SOURCE, "delays", 1).unwrap();
        let v2 = query_source(SOURCE, "delays", 2).unwrap();
        assert_eq!(logic_lines(&v1).len(), 9, "without the comment and the blank");
        let listing = Listing { language: "rust".into(), v1: v1.clone(), ..Listing::default() };
        assert_eq!(functions(&listing), 2);
        // The new helper, and the body of delay.
        assert_eq!(places_touched(&v1, &v2), 2);
        assert_eq!(places_touched(&v1, &v1), 0);
        assert_eq!(places_touched("a\nb\nc\nd", "a\nX\nc\nY\nZ"), 2);
        assert_eq!(places_touched("", "a\nb"), 1);
    }

    #[test]
    fn the_layers_sources_have_their_markers() {
        for version in [1, 2] {
            let text = query_source(BATCH, "delays_by_origin_hour", version);
            let text = text.unwrap_or_else(|| panic!("batch: delays_by_origin_hour, version {version}, is not between its markers"));
            assert!(text.contains("fn delay("), "batch: {text}");
        }
        assert!(query_source(BATCH, "totals_by_route", 1).is_some(), "batch: what both versions have");
    }
}
