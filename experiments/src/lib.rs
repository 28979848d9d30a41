//! The `twopath` program's parts: workloads, architectures, scenarios, the harness that measures them, and the report.

/// As the standard library's, but for a reader of standard error who is gone: that is no failure of anybody's, and what was asked is done all the same.
macro_rules! eprintln {
    ($($told:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($told)*);
    }};
}

pub mod bench;
pub mod cli;
pub mod feeds;
pub mod harness;
pub mod question;
pub mod scenarios;
pub mod standing;
pub mod systems;
pub mod workflow;
