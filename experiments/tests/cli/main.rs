//! The command line end to end, each test in a clean folder of its own.

mod course;
mod errors;
mod events;
mod feeds;
mod files;
mod groups;
mod help;
mod imports;
mod job;
mod joined;
mod kafka;
mod kill;
mod late;
mod query;
mod sandbox;
mod several;
mod standing;
mod state;
mod tier;
mod workflow;
