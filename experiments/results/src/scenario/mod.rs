//! What a scenario found: a question that people argue about, an answer from the literature, and what was measured here.
//!
//! ```
//! use twopath_results::scenario::{Figure, Verdict};
//!
//! let staleness = Figure::measured("staleness_p50", "kappa", "ms", &[2.0, 3.0, 4.0], 1);
//! assert_eq!(staleness.value, Some(3.0));
//! assert_eq!(serde_json::to_string(&Verdict::Confirmed).unwrap(), "\"confirmed\"");
//! ```

mod chart;
mod figure;
mod verdict;

use std::collections::BTreeMap;

pub use chart::{Axis, Cell, Chart, Line, Map, Point, Table};
pub use figure::Figure;
use serde::{Deserialize, Serialize};
pub use verdict::{Verdict, at_most, differs};

use crate::result::Provenance;

/// Of the format of a scenario's `result.json`; counts up when a reader of the old one would be misled.
pub const SCENARIO_SCHEMA_VERSION: u32 = 1;

/// The whole of a scenario's `result.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScenarioResult {
    /// [`SCENARIO_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Its name, as in `twopath run NAME`.
    pub scenario: String,
    /// The question.
    pub asks: String,
    /// The answer that the literature gives.
    pub hypothesis: Hypothesis,
    /// Of everything random in it.
    pub seed: u64,
    /// Whether it was run small, so that it only shows that it works.
    pub quick: bool,
    /// Runs of each thing that was measured.
    pub repeats: u32,
    /// What became of the hypothesis.
    pub verdict: Verdict,
    /// One sentence of why.
    pub because: String,
    /// What was found, a figure each.
    pub figures: Vec<Figure>,
    /// What was learned, in sentences.
    pub findings: Vec<String>,
    /// For the page: lines.
    pub charts: Vec<Chart>,
    /// For the page: who is best where.
    pub maps: Vec<Map>,
    /// For the page: rows.
    pub tables: Vec<Table>,
    /// Files beside this one: raw samples in Parquet, and the comparisons that it was made of.
    pub files: Vec<String>,
    /// Where the figures come from.
    pub provenance: Provenance,
    /// False where it was stopped early.
    pub complete: bool,
    /// What only some scenarios have, such as `claims`.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// What somebody says, and what would show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hypothesis {
    /// In one sentence.
    pub says: String,
    /// Who said so, where.
    pub source: String,
    /// What is called confirmed here, and what refuted.
    pub confirmed_by: String,
}
