//! What the runs come to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whether the figure of this id is of code: counted and not timed, so that it is the same in every run, and no interval is needed to name a winner.
///
/// ```
/// use twopath_results::result::is_counted;
/// assert!(is_counted("code_lines") && is_counted("layers_touched") && !is_counted("freshness_p99"));
/// ```
pub fn is_counted(id: &str) -> bool {
    id.starts_with("code_") || id.ends_with("_touched")
}

/// One line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Question {
    /// A stable name: `freshness_p99`.
    pub id: String,
    /// In plain words: `How long until an event is in the answer? (p99)`.
    pub question: String,
    /// `ms`, `bytes`, `share` (0 to 1), `answers`, `lines`, `functions`, `decisions`, `tokens`, `places`, `files`, `layers`, `cpu_s_per_million_events`, `CURRENCY_per_million_events`.
    pub unit: String,
    /// True where less is better (always, today; stands here for readers of the file).
    pub lower_is_better: bool,
    /// By the system's name (see `settings.systems`); a preset is called as its architecture.
    pub by_architecture: BTreeMap<String, Estimate>,
    /// Where there is one: its interval against every other excludes 1 (see [`crate::statistics`]).
    pub winner: Option<String>,
    /// Where there is no winner: the best and those that cannot be told from it.
    pub tied: Vec<String>,
    /// One sentence of why.
    pub why: String,
}

/// The median over repeats, and how it compares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// None where no repeat has it.
    pub median: Option<f64>,
    /// Every repeat's value.
    pub values: Vec<Option<f64>>,
    /// Against the best architecture of this line, paired by repeat: median ratio and 95 % interval. None for the best itself, and where
    /// the best is 0 or (interval) there are fewer than two pairs.
    pub ratio: Option<f64>,
    /// Lower end of the interval.
    pub ratio_low: Option<f64>,
    /// Upper end of the interval.
    pub ratio_high: Option<f64>,
}

/// What can be changed with the rest held constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// The wiring of the layers.
    Architecture,
    /// What computes the batch layer.
    BatchEngine,
    /// What computes the speed layer.
    SpeedEngine,
    /// By hand, or SQL.
    Language,
}

/// What going from one level of a factor to another does to a figure: over all pairs of runs of one repeat that differ in this factor alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// That differs.
    pub factor: Factor,
    /// The level compared with, such as `lambda`.
    pub from: String,
    /// The level compared, such as `kappa`.
    pub to: String,
    /// The question's id, such as `freshness_p99`.
    pub figure: String,
    /// Median of `to` over `from`. None where a pair has a 0 and so no ratio; then `difference` alone speaks.
    pub ratio: Option<f64>,
    /// Lower end of its 95 % interval; none with fewer than two pairs.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Median of `to` less `from`, in the question's unit.
    pub difference: f64,
    /// Pairs that it rests on.
    pub pairs: u64,
    /// The interval excludes 1 and the ratio is off it by more than a tie's margin (without a ratio: that of the difference excludes 0).
    pub decided: bool,
    /// Every system of the one level stands on the same side of every system of the other: then nothing else explains it.
    pub everywhere: bool,
}

/// The figures along a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// `history` (events) or `rate` (events per second).
    pub parameter: String,
    /// In ascending order of the parameter.
    pub points: Vec<SweepPoint>,
    /// Where two systems change places.
    pub break_evens: Vec<BreakEven>,
}

/// All figures at one value of the parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepPoint {
    /// As it was really played.
    pub value: f64,
    /// By the question's id, then by the system's name. Ratios stand against the best of the point.
    pub figures: BTreeMap<String, BTreeMap<String, Estimate>>,
    /// Systems that could not keep up here in more than half of their repeats.
    pub fell_behind: Vec<String>,
}

/// Where the lines of two systems cross.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BreakEven {
    /// The question's id.
    pub figure: String,
    /// Less below it (of the figure, so the better).
    pub below: String,
    /// Less above it.
    pub above: String,
    /// The parameter's value, between two points on straight lines in logarithms.
    pub at: f64,
    /// Lower end of its 95 % bootstrap interval over repeats; none with fewer than two repeats, and where it may lie before the first point.
    pub low: Option<f64>,
    /// Upper end; none where it may lie beyond the last point.
    pub high: Option<f64>,
}
