//! Workloads: events in arrival order, and the queries asked over them.
//!
//! **What they are not**: a schedule. When an event arrives is the harness's business; a workload says only in which order, and
//! [`Workload::batch`] gives any part of it again and again, the same bytes each time.

mod departures;
mod draw;
mod error;
mod flights;
mod nexmark;
mod own;
mod pageviews;
mod theodolite;
mod tiled;
mod ysb;

use std::borrow::Cow;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use twopath_log::{Durability, PartitionBy, TopicConfig};

pub use departures::departures;
pub use error::WorkloadError;
pub use flights::{flights, flights_parquet};
pub use nexmark::Nexmark;
pub use own::{OwnTable, own};
pub use pageviews::{Burst, Pageviews};
pub use theodolite::Theodolite;
use tiled::Tiled;
pub use ysb::Ysb;

/// The names of the built-in workloads, the default first.
pub const BUILT_IN: [&str; 6] = ["flights", "departures", "pageviews", "nexmark", "ysb", "theodolite"];

/// Segments of the built-in workloads' topics are sealed at this size.
const SEGMENT_BYTES: u64 = 64 << 20;

/// Events and the queries over them.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Also the name of its topic, and so what stands after FROM in its queries.
    pub name: String,
    /// One line for people.
    pub about: String,
    pub schema: SchemaRef,
    /// The column whose hash finds an event's partition; none means round robin.
    pub key: Option<String>,
    /// The event-time column.
    pub time_column: Option<String>,
    /// The default first.
    pub queries: Vec<WorkloadQuery>,
    events: Events,
}

/// A query before and after its fix; the same text twice where there is nothing to fix.
#[derive(Debug, Clone)]
pub struct WorkloadQuery {
    /// Stable: the hand-written jobs of the layers go by it, too.
    pub name: String,
    /// One line for people.
    pub about: String,
    pub sql_v1: Cow<'static, str>,
    pub sql_v2: Cow<'static, str>,
}

#[derive(Debug, Clone)]
enum Events {
    /// All of them, in memory.
    Table(RecordBatch),
    /// Made on demand, without end, as are the next three.
    Pageviews(Pageviews),
    Nexmark(Nexmark),
    Ysb(Ysb),
    Theodolite(Theodolite),
    /// A table laid out over earlier years: the last of so many events.
    Tiled(Tiled),
}

/// A built-in workload by name. `seed` is that of what is generated; what is recorded has none.
pub fn built_in(name: &str, seed: u64) -> Result<Workload, WorkloadError> {
    match name {
        "flights" => Ok(flights()),
        "departures" => Ok(departures(seed)),
        "pageviews" => Ok(Pageviews { seed, ..Pageviews::default() }.workload()),
        "nexmark" => Ok(Nexmark { seed, ..Nexmark::default() }.workload()),
        "ysb" => Ok(Ysb { seed, ..Ysb::default() }.workload()),
        "theodolite" => Ok(Theodolite { seed, ..Theodolite::default() }.workload()),
        _ => Err(WorkloadError::UnknownWorkload { name: name.to_owned() }),
    }
}

impl Workload {
    /// How many events there are; none where they never end.
    pub fn events(&self) -> Option<u64> {
        match &self.events {
            Events::Table(table) => Some(table.num_rows() as u64),
            Events::Pageviews(_) | Events::Nexmark(_) | Events::Ysb(_) | Events::Theodolite(_) => None,
            Events::Tiled(tiled) => Some(tiled.events),
        }
    }

    /// `rows` events from number `from` on, in arrival order; fewer (or none) where the workload ends before.
    pub fn batch(&self, from: u64, rows: usize) -> RecordBatch {
        match &self.events {
            Events::Table(table) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX).min(table.num_rows());
                table.slice(from, rows.min(table.num_rows() - from))
            }
            Events::Pageviews(pageviews) => pageviews.batch(from, rows),
            Events::Nexmark(nexmark) => nexmark.batch(from, rows),
            Events::Ysb(ysb) => ysb.batch(from, rows),
            Events::Theodolite(theodolite) => theodolite.batch(from, rows),
            Events::Tiled(tiled) => tiled.batch(from, rows),
        }
    }

    /// The workload with its last `events` events. Where it has not so many, the same are laid out over earlier years as well, 365 days
    /// apart; where they never end, nothing changes.
    #[must_use]
    pub fn last(self, events: u64) -> Self {
        let Events::Table(table) = self.events else { return self };
        Workload { events: Events::Tiled(Tiled { table, events }), ..self }
    }

    /// How many years the events fill, where they were laid out over more than one.
    pub fn years(&self) -> Option<u32> {
        match &self.events {
            Events::Tiled(tiled) => Some(tiled.years()).filter(|&years| years > 1),
            _ => None,
        }
    }

    /// A query by name, or the default.
    pub fn query(&self, name: Option<&str>) -> Result<&WorkloadQuery, WorkloadError> {
        match name {
            None => Ok(&self.queries[0]),
            Some(name) => self.queries.iter().find(|q| q.name == name).ok_or_else(|| WorkloadError::UnknownQuery {
                workload: self.name.clone(),
                name: name.to_owned(),
                known: self.queries.iter().map(|q| q.name.clone()).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The topic that its events go into.
    pub fn topic_config(&self, partitions: u32, durability: Durability) -> TopicConfig {
        TopicConfig {
            partitions,
            partition_by: self.key.clone().map_or(PartitionBy::RoundRobin, PartitionBy::Key),
            time_column: self.time_column.clone(),
            durability,
            segment_bytes: SEGMENT_BYTES,
            ..TopicConfig::new(&self.name, self.schema.clone())
        }
    }
}

impl WorkloadQuery {
    fn new(name: &str, about: &str, sql_v1: &'static str, sql_v2: &'static str) -> Self {
        WorkloadQuery { name: name.into(), about: about.into(), sql_v1: sql_v1.into(), sql_v2: sql_v2.into() }
    }

    /// The text of version 1 or 2.
    ///
    /// # Panics
    /// For any other version.
    pub fn sql(&self, version: u32) -> &str {
        match version {
            1 => &self.sql_v1,
            2 => &self.sql_v2,
            _ => panic!("a workload's query has versions 1 and 2, not {version}"),
        }
    }
}
