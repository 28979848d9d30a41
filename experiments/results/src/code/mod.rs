//! What code an architecture makes people write, and what a fix of it touches.
//!
//! Code is counted as a reader of it would count, not as a ruler: it is parsed, and measured in the form that the parser gives back, so
//! that layout, comments and trailing commas count nothing.
//!
//! - **Lines** are those of one canonical layout (a statement a line, blocks broken, at most 100 columns).
//! - **Functions**, **decisions** and **tokens** are of the syntax. Modules for tests are no part of it.
//! - **A place** that the fix touches is the smallest syntax that differs: an item, a statement, an argument, or a run of an
//!   expression's tokens. A name that changes is one place for each use of it. See [`places`].
//!
//! ```
//! use twopath_results::code::{CodeFile, Language, count};
//!
//! let delay = CodeFile {
//!     layers: vec!["speed".into()],
//!     name: "delays.rs".into(),
//!     language: Language::Rust,
//!     v1: "fn delay(dep: i64, sched: i64) -> i64 { dep - sched }".into(),
//!     v2: "fn delay(dep: i64, sched: i64) -> i64 { minutes(dep) - minutes(sched) }".into(),
//! };
//! let code = count(&[delay])?;
//! assert_eq!((code.v1.functions, code.places_touched, code.layers_touched), (1, 2, 1));
//! # Ok::<(), twopath_results::code::CodeError>(())
//! ```

mod difference;
mod layout;
mod rust;
mod sql;
mod tree;

use std::collections::BTreeSet;
use std::fmt;

pub use difference::places;

use crate::result::{Code, CodeSize, Listing};
use tree::Unit;

/// One file of what people write, in both versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeFile {
    /// That are made of it, and so must be deployed anew when it changes: `batch`, `speed`, `serving`.
    pub layers: Vec<String>,
    /// What it is called.
    pub name: String,
    /// That it is written in.
    pub language: Language,
    /// Its text before the fix; empty where the fix adds it.
    pub v1: String,
    /// Its text after the fix: the same where it is left alone.
    pub v2: String,
}

/// What a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// A whole file.
    Rust,
    /// One query.
    Sql,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::Rust => "rust",
            Language::Sql => "sql",
        })
    }
}

/// Code that cannot be counted.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    #[error("{file}, version {version}, cannot be counted: {message}; correct its syntax")]
    Syntax { file: String, version: u32, message: String },
}

/// A text as the counting sees it.
pub(crate) struct Parsed {
    size: CodeSize,
    units: Vec<Unit>,
}

/// Counts the files of one architecture. What does not change between the versions counts once in the sizes of both together.
pub fn count(files: &[CodeFile]) -> Result<Code, CodeError> {
    let mut code = Code::default();
    let mut layers = BTreeSet::new();
    for file in files {
        let (v1, v2) = (parse(file, 1)?, parse(file, 2)?);
        let places = places_between(&v1, &v2);
        add(&mut code.v1, v1.size);
        add(&mut code.v2, v2.size);
        code.places_touched += places;
        if places > 0 {
            code.files_touched += 1;
            layers.extend(&file.layers);
        }
        let mut written = v2.size;
        if places > 0 {
            add(&mut written, v1.size);
        }
        code.lines += written.lines;
        code.functions += written.functions;
        code.decisions += written.decisions;
        code.tokens += written.tokens;
        code.listings.push(Listing {
            layers: file.layers.clone(),
            title: file.name.clone(),
            language: file.language.to_string(),
            v1: file.v1.clone(),
            v2: file.v2.clone(),
            size_v1: v1.size,
            size_v2: v2.size,
            places_touched: places,
        });
    }
    code.layers_touched = layers.len() as u64;
    Ok(code)
}

fn places_between(v1: &Parsed, v2: &Parsed) -> u64 {
    places(&v1.units, &v2.units)
}

fn parse(file: &CodeFile, version: u32) -> Result<Parsed, CodeError> {
    let text = if version == 1 { &file.v1 } else { &file.v2 };
    let parsed = match file.language {
        _ if text.trim().is_empty() => Ok(Parsed { size: CodeSize::default(), units: vec![] }),
        Language::Rust => rust::parse(text),
        Language::Sql => sql::parse(text),
    };
    parsed.map_err(|message| CodeError::Syntax { file: file.name.clone(), version, message })
}

fn add(sum: &mut CodeSize, size: CodeSize) {
    sum.lines += size.lines;
    sum.functions += size.functions;
    sum.decisions += size.decisions;
    sum.tokens += size.tokens;
}

#[cfg(test)]
mod tests;
