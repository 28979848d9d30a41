//! From plans to what engines compute: flat queries, and what is above them.

mod apart;
mod closing;
mod flat;
mod late;
mod maintained;
mod narrow;
mod panes;
mod program;

pub use closing::Closing;
pub(crate) use flat::nests_too_deeply;
pub use maintained::Maintained;
pub use program::Program;
