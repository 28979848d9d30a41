//! What a comparison found: its figures (`result.json`), their statistics and prices, and the report made of them.
//!
//! ```
//! use twopath_results::number::duration;
//! use twopath_results::statistics::median;
//!
//! assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
//! assert_eq!(duration(2412.0), "2.41 s");
//! ```
//!
//! **What it is not**: engines, or anything that runs them. A `result.json` is all that the report is made of.

pub mod code;
mod conclude;
pub mod effects;
pub mod kept;
pub mod number;
pub mod prices;
pub mod report;
pub mod result;
#[cfg(test)]
mod sample;
pub mod scenario;
pub mod statistics;
pub mod sweep;

pub use conclude::conclude;
