//! A user's own events: one file, which is a topic, or several, which are tables of one stream.

mod file;
mod joint;
mod table;

use std::borrow::Cow;

use super::{Events, Workload, WorkloadError, WorkloadQuery};
use crate::files::ReadOptions;
pub use table::OwnTable;

/// The topic that a user's own events go into when the SQL does not name another.
const TOPIC: &str = "events";

/// A workload of the events in files, with one query before and after its fix. `sql` and `fix` are texts or names of files; without a fix there is nothing to mend. All events
/// are held in memory.
///
/// One file keeps its order, and what stands after FROM first is the topic's name. Of several, each is a table of its name, and all are events of one topic: `event_type` says
/// whose row an event is, and columns are called `TABLE_COLUMN`. A row arrives once the newest event time above it in its file has come; rows of tables without event times
/// stand before all others, or, where no table has any, files advance side by side.
///
/// # Errors
/// A file or text that cannot be read, or a query that does not go with them.
pub fn own(tables: &[OwnTable], options: &ReadOptions, sql: &str, fix: Option<&str>) -> Result<Workload, WorkloadError> {
    let read = |option, text: &str| crate::sql_text(text).map_err(|source| WorkloadError::ReadSql { option, path: text.into(), source });
    let sql = read("--sql", sql)?;
    let fix = fix.map_or_else(|| Ok(sql.clone()), |fix| read("--fix", fix))?;
    let [table] = tables else { return joint::joint(tables, options, sql, fix) };
    let options = ReadOptions { time_column: table.time_column.clone(), ..options.clone() };
    let rows = file::all_rows(&table.path, &options)?;
    // Another name than the first is no topic of the comparison, and is told as that where the text is bound.
    let first = || twopath_query::topics_of(&sql).unwrap_or_default().into_iter().next();
    Ok(Workload {
        name: table.name.clone().or_else(first).unwrap_or_else(|| TOPIC.into()),
        about: format!("{} events of {}", rows.num_rows(), table.path.display()),
        schema: rows.schema(),
        key: None,
        time_column: options.time_column,
        queries: vec![your_own(sql, fix)],
        events: Events::Table(rows),
    })
}

fn your_own(sql: String, fix: String) -> WorkloadQuery {
    WorkloadQuery { name: "sql".into(), about: "your own query".into(), sql_v1: Cow::Owned(sql), sql_v2: Cow::Owned(fix) }
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
        let made = |path: &std::path::Path, time: &[&str], sql: &str, fix: Option<&str>| {
            own(&OwnTable::of(&[path.to_str().unwrap()], time).unwrap(), &ReadOptions::default(), sql, fix)
        };
        let workload = made(&events, &["time"], sql, None).unwrap();
        assert_eq!((workload.name.as_str(), workload.events()), ("clicks", Some(3)));
        assert_eq!(workload.batch(1, 1), workload.batch(0, 9).slice(1, 1));
        assert_eq!(workload.query(None).unwrap().sql(2), sql);
        let query = twopath_query::parse(sql, &workload.name, &workload.schema).unwrap();
        assert_eq!(query.keys.len(), 1);
        assert_eq!(workload.topic_config(2, twopath_log::Durability::None).time_column.as_deref(), Some("time"));
        // The same query from a file.
        let file = write("q.sql", sql);
        assert_eq!(made(&events, &["time"], file.to_str().unwrap(), None).unwrap().query(None).unwrap().sql(1), sql);
        let fixed = made(&events, &["time"], sql, Some("SELECT page, COUNT(page) AS n FROM clicks GROUP BY page")).unwrap();
        assert_ne!(fixed.queries[0].sql(1), fixed.queries[0].sql(2));

        let bad = write("b.csv", "time,n\n2024-01-02,1\n2024-01-01,x\n2024-01-03,3\n,4\n");
        let error = made(&bad, &["time"], sql, None).unwrap_err().to_string();
        assert!(error.starts_with("2 rows of ") && error.contains("line 3, column 'n': 'x' is not an integer of 64 bits"), "{error}");
        assert!(matches!(made(&write("c.csv", "time\n"), &[], sql, None), Err(WorkloadError::File(_))));
    }
}
