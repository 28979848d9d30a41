//! Jobs written by hand for the stream engines.
//!
//! Each query, version, engine and kind is one whole file, and beside [`prelude`] they need nothing; a query that its code change leaves as it is has one file for both versions.
//! How the parts of a query merge and finish is written in the serving layer (`twopath_serving::jobs`).
//!
//! ```
//! use twopath_jobs::{Kind, hand_written};
//! use twopath_speed::Engine;
//! let written = hand_written("flights", ("totals_by_route", 2), Engine::Differential, Kind::Finals).unwrap();
//! assert_eq!(written.code.engine(), Engine::Differential);
//! assert!(written.source.contains("count_total"));
//! assert!(hand_written("nexmark", ("q0", 1), Engine::Timely, Kind::Parts).is_none());
//! ```

use twopath_speed::{Engine, HandWritten};
use twopath_view::Finals;

/// A file of a topic's folder of parts, or of final values.
macro_rules! parts {
    ($folder:ident, $file:ident) => {
        crate::SourceFile { code: $folder::$file::CODE, finals: None, source: source!($folder, $file) }
    };
}

macro_rules! finals {
    ($folder:ident, $file:ident) => {
        crate::SourceFile { code: $folder::$file::CODE, finals: Some($folder::$file::FINALS), source: source!($folder, $file) }
    };
}

macro_rules! source {
    ($folder:ident, $file:ident) => {
        include_str!(concat!(stringify!($folder), "/", stringify!($file), ".rs"))
    };
}

#[allow(clippy::type_complexity, reason = "a query by hand says its groups as the tuples that they are")]
pub mod departures;
#[allow(clippy::type_complexity, reason = "a query by hand says its groups as the tuples that they are")]
pub mod flights;
pub mod prelude;

/// What hand-written code gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Mergeable parts, for Lambda.
    Parts,
    /// Final values, for Kappa.
    Finals,
}

/// A file of hand-written code.
#[derive(Debug, Clone, Copy)]
pub struct SourceFile {
    pub code: HandWritten,
    /// What the rows are, where they are final values.
    pub finals: Option<Finals>,
    /// The file, whole.
    pub source: &'static str,
}

/// What all files use, whole.
pub const PRELUDE: &str = include_str!("prelude.rs");

/// The hand-written code of a query of a built-in workload in one of its versions, if there is any.
pub fn hand_written(workload: &str, (query, version): (&str, u32), engine: Engine, kind: Kind) -> Option<SourceFile> {
    match workload {
        "flights" => flights::hand_written(query, version, engine, kind),
        "departures" => departures::hand_written(query, version, engine, kind),
        _ => None,
    }
}
