//! From plans to what engines compute: flat queries, and what is above them.

mod flat;
mod late;
mod maintained;
mod narrow;
mod panes;
mod program;

pub(crate) use flat::nests_too_deeply;
pub use maintained::Maintained;
pub use program::Program;
