//! Logic that people write for a stream engine: whole queries, from frames of the log to rows of groups.
//!
//! Hand-written code is a piece of dataflow. It gets the frames that its worker reads, exchanges what it must by key, keeps what it must, and
//! gives the rows of the groups that changed in each epoch, one per group and epoch, from one worker. What Twopath adds is the reading of the
//! log before it and the publishing after it, as for a query in SQL.

mod row;
mod wiring;

use differential_dataflow::VecCollection;
use timely::dataflow::Stream;
use twopath_query::DataType;

pub use row::{Frame, Item, Row};
pub(crate) use wiring::{Form, Prepared, parts};

use crate::Engine;

/// A query written by hand for one of the engines.
#[derive(Debug, Clone, Copy)]
pub struct HandWritten {
    /// For messages.
    pub name: &'static str,
    /// The version of the code.
    pub version: u32,
    /// The topic's columns that it reads, by name, with the types that it expects of them. Frames have these columns, in the canonical
    /// Arrow type of their SQL type ([`twopath_view::arrow_type`]), and no others.
    pub columns: &'static [(&'static str, DataType)],
    pub flow: Flow,
}

/// The dataflow, by the engine that it is written for.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::type_complexity, reason = "streams in, streams out, in the engines' own words")]
pub enum Flow {
    Timely(for<'s> fn(Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>>),
    /// Rows that are added stand for groups that changed; those that are taken back are what they replace, or, of a query that computes more than groups, rows that go.
    Differential(for<'s> fn(VecCollection<'s, u64, Frame, isize>) -> VecCollection<'s, u64, Row, isize>),
}

impl HandWritten {
    /// The engine that it is written for.
    pub fn engine(&self) -> Engine {
        match self.flow {
            Flow::Timely(_) => Engine::Timely,
            Flow::Differential(_) => Engine::Differential,
        }
    }
}
