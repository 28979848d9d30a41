//! What code a system makes people write, and what a fix of it touches: which texts those are. They are counted by
//! [`twopath_results::code`].
//!
//! By hand it is, of each layer that the architecture has, the function of the compared query with the helpers that it calls, as it stands
//! between the `logic` markers of the program's own sources; else the SQL text.

use super::{BatchEngine, Factors, Job, Language, SystemError};
use twopath_results::code::{CodeFile, Language as Written, count};
use twopath_results::result::Code;

const BATCH: &str = include_str!("../../../batch/src/jobs/flights.rs");
const SPEED: &str = include_str!("../../../speed/src/jobs/flights.rs");

/// What a system makes people write for a job.
pub fn code(factors: &Factors, job: &Job) -> Result<Code, SystemError> {
    Ok(count(&files(factors, job))?)
}

fn files(factors: &Factors, job: &Job) -> Vec<CodeFile> {
    let by_timely = factors.batch_engine == Some(BatchEngine::Timely);
    let has_batch = factors.batch_engine.is_some();
    let has_speed = factors.speed_engine.is_some();
    if job.language(factors.language) == Language::Sql {
        let layers = [(has_batch, "batch"), (has_speed, "speed")];
        return vec![CodeFile {
            layers: layers.iter().filter(|(has, _)| *has).map(|(_, layer)| layer.to_string()).collect(),
            name: format!("{}.sql", job.name),
            language: Written::Sql,
            v1: job.v1.sql.clone(),
            v2: job.v2.sql.clone(),
        }];
    }
    let mut files = Vec::new();
    if has_batch && !by_timely {
        files.extend(by_hand(&["batch"], "for polars", BATCH, job));
    }
    if has_speed || by_timely {
        let layers: &[&str] = if by_timely { &["batch", "speed"] } else { &["speed"] };
        files.extend(by_hand(layers, "for timely", SPEED, job));
    }
    files
}

fn by_hand(layers: &[&str], engine: &str, source: &str, job: &Job) -> Option<CodeFile> {
    Some(CodeFile {
        layers: layers.iter().map(|layer| layer.to_string()).collect(),
        name: format!("{}.rs, {engine}", job.name),
        language: Written::Rust,
        v1: query_source(source, &job.name, 1)?,
        v2: query_source(source, &job.name, 2)?,
    })
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
    fn the_layers_sources_have_their_markers() {
        for (source, layer) in [(BATCH, "batch"), (SPEED, "speed")] {
            for version in [1, 2] {
                let text = query_source(source, "delays_by_origin_hour", version);
                let text = text.unwrap_or_else(|| panic!("{layer}: delays_by_origin_hour, version {version}, is not between its markers"));
                assert!(text.contains("fn delay("), "{layer}: {text}");
            }
            assert!(query_source(source, "totals_by_route", 1).is_some(), "{layer}: what both versions have");
        }
    }
}
