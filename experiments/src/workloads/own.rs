//! A user's own events.

use std::path::Path;

use arrow_select::concat::concat_batches;

use super::{Events, Workload, WorkloadError, WorkloadQuery};
use crate::files::{EventFile, ReadOptions};

/// The topic that a user's own events go into when the SQL does not name another.
const TOPIC: &str = "events";

/// A workload of the events in a file, in the file's order, with one query. `sql` is a text or the name of a file; what stands
/// after FROM is the topic's name. All events are held in memory.
pub fn own(events: &Path, time_column: Option<&str>, sql: &str) -> Result<Workload, WorkloadError> {
    let sql = crate::cli::sql_text(sql).map_err(|source| WorkloadError::ReadSql { path: sql.into(), source })?;
    let mut file = EventFile::open(events, ReadOptions { time_column: time_column.map(String::from), ..Default::default() })?;
    let mut batches = Vec::new();
    let mut rejected = Vec::new();
    while let Some(chunk) = file.next_chunk()? {
        batches.push(chunk.batch);
        rejected.extend(chunk.rejected);
    }
    if let Some(first) = rejected.first() {
        return Err(WorkloadError::BadRows { path: events.to_owned(), count: rejected.len() as u64, first: first.to_string() });
    }
    let schema = file.schema().clone();
    let table = concat_batches(&schema, &batches).map_err(|e| crate::files::FileError::arrow(events, e))?;
    if table.num_rows() == 0 {
        return Err(WorkloadError::NoEvents { path: events.to_owned() });
    }
    Ok(Workload {
        name: twopath_shared::query::topic_of(&sql).unwrap_or_else(|_| TOPIC.into()),
        about: format!("{} events of {}", table.num_rows(), events.display()),
        schema,
        key: None,
        time_column: time_column.map(String::from),
        queries: vec![WorkloadQuery { name: "sql".into(), about: "your own query".into(), sql_v1: sql.clone().into(), sql_v2: sql.into() }],
        events: Events::Table(table),
    })
}
