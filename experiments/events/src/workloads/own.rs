//! A user's own events.

use std::path::Path;

use arrow_select::concat::concat_batches;

use super::{Events, Workload, WorkloadError, WorkloadQuery};
use crate::files::{EventFile, FilePart, Input, ReadOptions};

/// The topic that a user's own events go into when the SQL does not name another.
const TOPIC: &str = "events";

/// A workload of the events in a file, in the file's order, with one query before and after its fix. `sql` and `fix` are texts or names of
/// files; without a fix there is nothing to mend. What stands after FROM first is the topic's name. All events are held in memory.
pub fn own(events: &Path, options: &ReadOptions, sql: &str, fix: Option<&str>) -> Result<Workload, WorkloadError> {
    let read = |option, text: &str| crate::sql_text(text).map_err(|source| WorkloadError::ReadSql { option, path: text.into(), source });
    let sql = read("--sql", sql)?;
    let fix = fix.map_or_else(|| Ok(sql.clone()), |fix| read("--fix", fix))?;
    let time_column = options.time_column.clone();
    let mut file = EventFile::of(&Input::open(events)?, options, FilePart::ALL)?;
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
    // Another name than the first is no topic of the comparison, and is told as that where the text is bound.
    let topics = twopath_query::topics_of(&sql).unwrap_or_default();
    Ok(Workload {
        name: topics.into_iter().next().unwrap_or_else(|| TOPIC.into()),
        about: format!("{} events of {}", table.num_rows(), events.display()),
        schema,
        key: None,
        time_column,
        queries: vec![WorkloadQuery { name: "sql".into(), about: "your own query".into(), sql_v1: sql.into(), sql_v2: fix.into() }],
        events: Events::Table(table),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_file_is_a_workload() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let sql = "SELECT page, COUNT(*) AS n FROM clicks GROUP BY page";
        // In the file's order, which is that of arrival, and not of the event times.
        let events = write("a.csv", "time,page\n2024-01-02,x\n2024-01-01,y\n2024-01-03,\n");
        let timed = || ReadOptions { time_column: Some("time".into()), ..ReadOptions::default() };
        let workload = own(&events, &timed(), sql, None).unwrap();
        assert_eq!((workload.name.as_str(), workload.events()), ("clicks", Some(3)));
        assert_eq!(workload.batch(1, 1), workload.batch(0, 9).slice(1, 1));
        assert_eq!(workload.query(None).unwrap().sql(2), sql);
        let query = twopath_query::parse(sql, &workload.name, &workload.schema).unwrap();
        assert_eq!(query.keys.len(), 1);
        assert_eq!(workload.topic_config(2, twopath_log::Durability::None).time_column.as_deref(), Some("time"));
        // The same query from a file.
        let file = write("q.sql", sql);
        assert_eq!(own(&events, &timed(), file.to_str().unwrap(), None).unwrap().query(None).unwrap().sql(1), sql);
        let fixed = own(&events, &timed(), sql, Some("SELECT page, COUNT(page) AS n FROM clicks GROUP BY page")).unwrap();
        assert_ne!(fixed.queries[0].sql(1), fixed.queries[0].sql(2));

        let bad = write("b.csv", "time,n\n2024-01-02,1\n2024-01-01,x\n2024-01-03,3\n,4\n");
        let error = own(&bad, &timed(), sql, None).unwrap_err().to_string();
        assert!(error.starts_with("2 rows of ") && error.contains("line 3, column 'n': 'x' is not an integer of 64 bits"), "{error}");
        assert!(matches!(own(&write("c.csv", "time\n"), &ReadOptions::default(), sql, None), Err(WorkloadError::File(_))));
    }
}
