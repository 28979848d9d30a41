//! Random queries and random events, for property tests: a seed gives the same ones for ever.
//!
//! What is generated can be judged by the comparison of the reference interpreter: HAVING and ORDER BY rest on exact aggregates only, which
//! sums of floats are too: their values differ in size by hundreds of decimal places, and cancel.
//! Most queries raise no error; divisions, casts and overflows that may are rare, so that errors are tested too.

mod decimal;
mod events;
mod expr;
mod function;
mod query;
mod relational;

pub use decimal::schema_with_decimals;
pub use events::{batches, schema};
pub use query::{sql, sql_of};
pub use relational::{TOPICS, relational_schema, relational_sql, relational_stream, relational_topics};

/// A small random generator (SplitMix64, Steele, Lea and Flood 2014), which tests pass around.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is positive.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next_u64() % n as u64) as usize
    }

    /// A number from `low` to `high`, both inclusive.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next_u64() % (high.abs_diff(low) + 1)) as i64
    }

    /// Whether something happens that does in `percent` of all cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.next_u64() % 100 < percent
    }

    /// One of these, of which there is at least one.
    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What random queries may use beyond what every engine has: comparisons, arithmetic, CASE, casts between numbers and to text, EXTRACT, DATE_TRUNC,
/// windows of fixed length, COUNT, SUM, MIN, MAX, AVG, distinct counts and sketches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Functions of text, numbers and time: [`crate::ExprKind::Call`], and casts from text and to it.
    pub functions: bool,
    /// Variances, exact percentiles, bits.
    pub aggregates: bool,
    /// SELECT DISTINCT, OFFSET, subqueries and WITH, windows of the calendar. (The flat query has all of them as engines know them, but for DISTINCT and
    /// OFFSET, which are of the answering half.)
    pub shapes: bool,
    /// The log's own columns, for rows that come out of a log.
    pub log: bool,
}

impl Profile {
    pub const BASIC: Profile = Profile { functions: false, aggregates: false, shapes: false, log: false };
    /// What can be asked of rows that are in no log, too.
    pub const ALL: Profile = Profile { functions: true, aggregates: true, shapes: true, log: false };

    /// The same with the log's own columns.
    pub const fn over_a_log(self) -> Profile {
        Profile { log: true, ..self }
    }
}

/// Texts for columns and for literals: empty, alike, beyond ASCII, with a quote, like numbers.
const TEXTS: [&str; 14] = ["", "a", "b", "ab", "B", " ", "é", "naïve café", "日本", "it's", "\u{10ffff}", "7", " -12 ", "1e3"];
