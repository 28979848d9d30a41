//! SQL given on the command line.

use twopath_events::sql_text;
use twopath_log::{Address, Topic};
use twopath_query::{self as query, Query};

use super::Failure;
use crate::question::query_of;

/// As [`sql_text`], with the message of a failure.
pub(super) fn read_sql(text_or_file: &str) -> Result<String, Failure> {
    sql_text(text_or_file)
        .map_err(|e| Failure::with_help(format!("{text_or_file}: {e}"), "give a SQL text, or the name of a file that holds one"))
}

/// Opens the topic that a SQL text reads, which is the one that the address names, if it names one.
pub(super) fn topic_named(place: &Address, sql: &str, open: impl FnOnce(&str) -> Result<Topic, Failure>) -> Result<Topic, Failure> {
    let name = query::topic_of(sql).map_err(|e| Failure::sql(&e, sql))?;
    match place.named_topic().filter(|named| *named != name) {
        Some(named) => Err(Failure::usage(format!("--log names topic '{named}', and the query reads '{name}'; name the same one in both"))),
        None => open(&name),
    }
}

/// Parses a query over a topic; a failure shows the place.
pub(super) fn parse(sql: &str, topic: &Topic) -> Result<Query, Failure> {
    query_of(sql, topic).map_err(|e| Failure::sql(&e, sql))
}
