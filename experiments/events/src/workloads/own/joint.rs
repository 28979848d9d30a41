//! Several tables as one stream: events of one topic, and views that make the tables of it again.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::interleave::interleave_record_batch;
use twopath_query::{TopicSchema, logical_plan_over, topics_of, with_views};

use super::file::all_rows;
use super::{Events, OwnTable, TOPIC, Workload, WorkloadError, your_own};
use crate::files::ReadOptions;

/// Whose row an event is.
const EVENT_TYPE: &str = "event_type";
/// When it happened, where its table has event times; else the first time of all.
const EVENT_TIME: &str = "event_time";

/// A table, with what its columns are called in the topic.
struct Table {
    name: String,
    rows: RecordBatch,
    columns: Vec<String>,
    /// Of each row, in microseconds; none where the table has no event times.
    times: Option<Vec<i64>>,
    time_column: Option<String>,
}

pub(super) fn joint(tables: &[OwnTable], options: &ReadOptions, sql: String, fix: String) -> Result<Workload, WorkloadError> {
    let names: Vec<String> = tables.iter().map(OwnTable::named).collect();
    each_is_read(&names, tables, &sql, &fix)?;
    let mut taken = BTreeSet::from([EVENT_TYPE.to_owned(), EVENT_TIME.to_owned()]);
    let tables = tables.iter().map(|table| Table::read(table, options, &mut taken)).collect::<Result<Vec<_>, _>>()?;
    let mut topic = TOPIC.to_owned();
    while names.iter().any(|name| name.eq_ignore_ascii_case(&topic)) {
        topic.insert_str(0, "all_");
    }
    let topic = topic.as_str();
    let has_times = tables.iter().any(|table| table.times.is_some());
    let first = tables.iter().flat_map(|table| table.times.iter().flatten()).min().copied().unwrap_or(0);
    let schema = schema(&tables, has_times);
    let events: Vec<RecordBatch> = tables.iter().map(|table| table.events(&schema, first)).collect();
    let events = interleave_record_batch(&events.iter().collect::<Vec<_>>(), &arrival_order(&tables))
        .map_err(|e| WorkloadError::TooLarge { problem: e.to_string() })?;
    let (sql, fix) = (over_views("--sql", &sql, &tables, topic, &schema)?, over_views("--fix", &fix, &tables, topic, &schema)?);
    Ok(Workload {
        name: topic.into(),
        about: format!("{} events of {}", events.num_rows(), names.join(", ")),
        schema,
        key: None,
        time_column: has_times.then(|| EVENT_TIME.to_owned()),
        queries: vec![your_own(sql, fix)],
        events: Events::Table(events),
    })
}

/// Refuses a table that no query reads, and a query that reads another.
fn each_is_read(names: &[String], tables: &[OwnTable], sql: &str, fix: &str) -> Result<(), WorkloadError> {
    let mut read = BTreeSet::new();
    for (option, text) in [("--sql", sql), ("--fix", fix)] {
        for topic in topics_of(text).map_err(|e| WorkloadError::Sql { option, report: e.report(text) })? {
            let Some(place) = names.iter().position(|name| name.eq_ignore_ascii_case(&topic)) else {
                return Err(WorkloadError::NoTable { option, name: topic, known: names.join(", ") });
            };
            read.insert(place);
        }
    }
    match (0..names.len()).find(|place| !read.contains(place)) {
        Some(place) => Err(WorkloadError::NobodyReads { name: names[place].clone(), path: tables[place].path.clone() }),
        None => Ok(()),
    }
}

impl Table {
    fn read(table: &OwnTable, options: &ReadOptions, taken: &mut BTreeSet<String>) -> Result<Self, WorkloadError> {
        let rows = all_rows(&table.path, &ReadOptions { time_column: table.time_column.clone(), ..options.clone() })?;
        let name = table.named();
        let mut called = |column: &str| {
            let mut called = format!("{name}_{column}");
            while !taken.insert(called.clone()) {
                called.push('_');
            }
            called
        };
        let columns = rows.schema().fields().iter().map(|field| called(field.name())).collect();
        let time = table.time_column.as_ref().and_then(|column| rows.column_by_name(column));
        let times = time.map(|time| time.as_primitive::<TimestampMicrosecondType>().values().to_vec());
        Ok(Table { name, rows, columns, times, time_column: table.time_column.clone() })
    }

    /// Its rows as events of the topic.
    fn events(&self, schema: &SchemaRef, first: i64) -> RecordBatch {
        let rows = self.rows.num_rows();
        let column = |field: &Arc<Field>| match field.name().as_str() {
            EVENT_TYPE => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&self.name, rows))) as ArrayRef,
            EVENT_TIME => {
                let times = self.times.clone().unwrap_or_else(|| vec![first; rows]);
                Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
            }
            name => match self.columns.iter().position(|column| column == name) {
                Some(column) => self.rows.column(column).clone(),
                None => new_null_array(field.data_type(), rows),
            },
        };
        RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).expect("columns are made by the schema")
    }

    /// The query that makes the table of the topic again.
    fn view(&self, topic: &str) -> String {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let schema = self.rows.schema();
        let columns =
            self.columns.iter().zip(schema.fields()).map(|(of_topic, field)| format!("{} AS {}", quoted(of_topic), quoted(field.name())));
        let columns: Vec<String> = columns.collect();
        format!("SELECT {} FROM {topic} WHERE {EVENT_TYPE} = '{}'", columns.join(", "), self.name.replace('\'', "''"))
    }
}

fn schema(tables: &[Table], has_times: bool) -> SchemaRef {
    let mut fields = vec![Field::new(EVENT_TYPE, DataType::Utf8, false)];
    if has_times {
        fields.push(Field::new(EVENT_TIME, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false));
    }
    for table in tables {
        let schema = table.rows.schema();
        fields.extend(table.columns.iter().zip(schema.fields()).map(|(name, field)| Field::new(name, field.data_type().clone(), true)));
    }
    Arc::new(Schema::new(fields))
}

/// Each event's table and row, in the order in which they arrive: each file's own order, and of different files by the newest event time that has come so far.
fn arrival_order(tables: &[Table]) -> Vec<(usize, usize)> {
    let has_times = tables.iter().any(|table| table.times.is_some());
    let mut order: Vec<(i64, (usize, usize))> = Vec::with_capacity(tables.iter().map(|table| table.rows.num_rows()).sum());
    for (place, table) in tables.iter().enumerate() {
        let rows = table.rows.num_rows();
        let mut newest = i64::MIN;
        order.extend((0..rows).map(|row| {
            newest = match &table.times {
                Some(times) => newest.max(times[row]),
                None if has_times => i64::MIN,
                None => ((row as i128) << 62).checked_div(rows as i128).unwrap_or(0) as i64,
            };
            (newest, (place, row))
        }));
    }
    order.sort_unstable();
    order.into_iter().map(|(_, place)| place).collect()
}

/// A text with the views before it. What is wrong with it is told of the text alone, as its author knows it.
fn over_views(option: &'static str, sql: &str, tables: &[Table], topic: &str, events: &SchemaRef) -> Result<String, WorkloadError> {
    let schemas: Vec<SchemaRef> = tables.iter().map(|table| table.rows.schema()).collect();
    let own: Vec<TopicSchema<'_>> = tables
        .iter()
        .zip(&schemas)
        .map(|(table, schema)| TopicSchema { name: &table.name, schema, key: None, time: table.time_column.as_deref() })
        .collect();
    logical_plan_over(sql, &own).map_err(|e| WorkloadError::Sql { option, report: e.report(sql) })?;
    let views: Vec<(&str, String)> = tables.iter().map(|table| (table.name.as_str(), table.view(topic))).collect();
    let views: Vec<(&str, &str)> = views.iter().map(|(name, view)| (*name, view.as_str())).collect();
    let text = with_views(sql, &views).map_err(|e| WorkloadError::Sql { option, report: e.report(sql) })?;
    let all = TopicSchema { name: topic, schema: events, key: None, time: None };
    match logical_plan_over(&text, &[all]) {
        Ok(_) => Ok(text),
        Err(error) => Err(WorkloadError::OverViews { option, problem: error.message }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const ORDERS: &str =
        "at,buyer,amount\n2024-01-01T10:00:00Z,1,10\n2024-01-01T12:00:00Z,2,20\n2024-01-01T11:00:00Z,1,30\n2024-01-01T13:00:00Z,3,40\n";
    const PEOPLE: &str = "id,since,name,user\n1,2024-01-01T09:00:00Z,Ada,a\n2,2024-01-01T12:30:00Z,Bo,b\n";
    const SQL: &str = "SELECT p.name, SUM(o.amount) AS amount FROM orders o LEFT JOIN people p ON p.id = o.buyer GROUP BY p.name";

    fn files(texts: &[(&str, &str)]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let write = |(name, text): &(&str, &str)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let paths = texts.iter().map(write).collect();
        (folder, paths)
    }

    fn made(paths: &[PathBuf], times: &[&str], sql: &str, fix: Option<&str>) -> Result<Workload, WorkloadError> {
        let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
        super::super::own(&OwnTable::of(&paths, times).unwrap(), &ReadOptions::default(), sql, fix)
    }

    /// Of each event, in the order of arrival.
    fn types(workload: &Workload) -> Vec<String> {
        let all = workload.batch(0, usize::MAX);
        all.column_by_name(EVENT_TYPE).unwrap().as_string::<i32>().iter().map(|t| t.unwrap().to_owned()).collect()
    }

    #[test]
    fn rows_of_several_files_are_events_of_one_stream() {
        let (_folder, paths) = files(&[("orders.csv", ORDERS), ("people.csv", PEOPLE)]);
        let workload = made(&paths, &["orders=at", "people=since"], SQL, None).unwrap();
        // The third order is late: it stands behind what is above it in its file.
        assert_eq!(types(&workload), ["people", "orders", "orders", "orders", "people", "orders"]);
        let all = workload.batch(0, usize::MAX);
        assert_eq!(
            (all.column_by_name("orders_amount").unwrap().null_count(), all.column_by_name("people_name").unwrap().null_count()),
            (2, 4)
        );
        assert_eq!(workload.time_column.as_deref(), Some(EVENT_TIME));
        let sql = workload.queries[0].sql(1);
        assert!(sql.ends_with(SQL) && sql.contains("\"people_user\" AS \"user\""), "{sql}");
        twopath_query::parse(sql, &workload.name, &workload.schema).unwrap();
    }

    #[test]
    fn what_has_no_event_times_stands_first_or_side_by_side() {
        let (_folder, paths) = files(&[("orders.csv", ORDERS), ("people.csv", PEOPLE)]);
        assert_eq!(types(&made(&paths, &["orders=at"], SQL, None).unwrap()), ["people", "people", "orders", "orders", "orders", "orders"]);
        let without = made(&paths, &[], SQL, None).unwrap();
        assert_eq!(types(&without), ["orders", "people", "orders", "orders", "people", "orders"]);
        assert_eq!(without.time_column, None);
    }

    #[test]
    fn texts_keep_their_own_with() {
        let (_folder, paths) = files(&[("orders.csv", ORDERS), ("people.csv", PEOPLE), ("events.csv", "n\n1\n")]);
        let sql =
            "-- ours\nWITH ours AS (SELECT buyer FROM orders) SELECT COUNT(*) AS n FROM ours o JOIN people p ON p.id = o.buyer, Events";
        let workload = made(&paths, &["orders=at"], sql, None).unwrap();
        assert_eq!(workload.name, "all_events", "events is one of the tables");
        let text = workload.queries[0].sql(2);
        assert!(text.starts_with("-- ours\nWITH \"orders\" AS (") && text.ends_with("p.id = o.buyer, Events"), "{text}");
        twopath_query::parse(text, &workload.name, &workload.schema).unwrap();
    }

    #[test]
    fn columns_of_one_name_are_told_apart() {
        let (_folder, paths) = files(&[("a.csv", "b_c\n1\n"), ("a_b.csv", "c\n2\n"), ("event.csv", "type\nx\n")]);
        let workload = made(&paths, &[], "SELECT b_c, c, type FROM a, a_b, event", None).unwrap();
        let schema = workload.schema.clone();
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        assert_eq!(names, ["event_type", "a_b_c", "a_b_c_", "event_type_"]);
    }

    #[test]
    fn what_does_not_go_together_is_refused_of_the_text_as_it_was_given() {
        let (_folder, paths) = files(&[("orders.csv", ORDERS), ("people.csv", PEOPLE)]);
        let refused = |sql: &str, fix: Option<&str>| made(&paths, &["orders=at"], sql, fix).unwrap_err().to_string();
        let nobody = refused("SELECT COUNT(*) AS n FROM orders", None);
        assert!(nobody.contains("no query reads 'people'"), "{nobody}");
        let other = refused("SELECT COUNT(*) AS n FROM orders, persons, people", None);
        assert!(other.contains("'persons'") && other.contains("orders, people"), "{other}");
        let column = refused("SELECT o.nope FROM orders o, people", None);
        assert!(column.starts_with("--sql: ") && column.contains("nope") && column.contains("1 |"), "{column}");
        let fix = refused(SQL, Some("SELECT name FROM people p JOIN orders"));
        assert!(fix.starts_with("--fix: "), "{fix}");
        let upsert = refused("SELECT COUNT(*) AS n FROM orders o JOIN UPSERT(TABLE people, DESCRIPTOR(id)) p ON p.id = o.buyer", None);
        assert!(upsert.contains("ROW_NUMBER()"), "{upsert}");
    }
}
