//! The `twopath` program's parts: workloads, architectures, scenarios, the harness that measures them, and the report.

pub mod bench;
pub mod cli;
pub mod feeds;
pub mod harness;
pub mod question;
pub mod scenarios;
pub mod standing;
pub mod systems;
pub mod workflow;
