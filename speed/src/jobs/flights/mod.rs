//! The built-in queries over the flights of 2013, written by hand for the stream engines.
//!
//! Version 1 computes a delay by subtracting clock times as if they were numbers; version 2 does it right, across midnight too. Each query,
//! version, engine and kind is one whole file, and beside [`prelude`](super::prelude) they need nothing; a query that computes no delay has one file for both
//! versions. How the parts of a query merge and finish is written in the serving layer (`twopath_serving::jobs::flights`).

use twopath_view::Finals;

use crate::{Engine, HandWritten};

macro_rules! files {
    ($($folder:ident)*) => {
        $(mod $folder {
            pub mod cancelled_share_by_day;
            pub mod delay_quantiles_by_carrier_day_v1;
            pub mod delay_quantiles_by_carrier_day_v2;
            pub mod delays_by_origin_hour_v1;
            pub mod delays_by_origin_hour_v2;
            pub mod distinct_tails_by_carrier_day;
            pub mod totals_by_route;
        })*
    };
}

files!(timely_parts timely_finals differential_parts differential_finals);

macro_rules! parts {
    ($folder:ident, $file:ident) => {
        SourceFile { code: $folder::$file::CODE, finals: None, source: source!($folder, $file) }
    };
}

macro_rules! finals {
    ($folder:ident, $file:ident) => {
        SourceFile { code: $folder::$file::CODE, finals: Some($folder::$file::FINALS), source: source!($folder, $file) }
    };
}

macro_rules! source {
    ($folder:ident, $file:ident) => {
        include_str!(concat!(stringify!($folder), "/", stringify!($file), ".rs"))
    };
}

macro_rules! choose {
    ($query:expr, $version:expr, $folder:ident, $kind:ident) => {
        Some(match ($query, $version) {
            ("delays_by_origin_hour", 1) => $kind!($folder, delays_by_origin_hour_v1),
            ("delays_by_origin_hour", 2) => $kind!($folder, delays_by_origin_hour_v2),
            ("delay_quantiles_by_carrier_day", 1) => $kind!($folder, delay_quantiles_by_carrier_day_v1),
            ("delay_quantiles_by_carrier_day", 2) => $kind!($folder, delay_quantiles_by_carrier_day_v2),
            // These compute no delay: the code change leaves them as they are.
            ("distinct_tails_by_carrier_day", 1 | 2) => $kind!($folder, distinct_tails_by_carrier_day),
            ("totals_by_route", 1 | 2) => $kind!($folder, totals_by_route),
            ("cancelled_share_by_day", 1 | 2) => $kind!($folder, cancelled_share_by_day),
            _ => return None,
        })
    };
}

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
pub const PRELUDE: &str = include_str!("../prelude.rs");

/// The hand-written code of a built-in flights query, if there is any: `delays_by_origin_hour`, `delay_quantiles_by_carrier_day`,
/// `distinct_tails_by_carrier_day`, `totals_by_route` or `cancelled_share_by_day`, version 1 or 2.
///
/// ```
/// use twopath_speed::Engine;
/// use twopath_speed::jobs::flights::{Kind, hand_written};
/// let written = hand_written("totals_by_route", 2, Engine::Differential, Kind::Finals).unwrap();
/// assert_eq!(written.code.engine(), Engine::Differential);
/// assert!(written.source.contains("count_total"));
/// ```
pub fn hand_written(query: &str, version: u32, engine: Engine, kind: Kind) -> Option<SourceFile> {
    match (engine, kind) {
        (Engine::Timely, Kind::Parts) => choose!(query, version, timely_parts, parts),
        (Engine::Timely, Kind::Finals) => choose!(query, version, timely_finals, finals),
        (Engine::Differential, Kind::Parts) => choose!(query, version, differential_parts, parts),
        (Engine::Differential, Kind::Finals) => choose!(query, version, differential_finals, finals),
    }
}
