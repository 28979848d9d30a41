//! Flights in earnest: the flights that left New York in 2013, with the aircraft that flew them, the airports, and the weather of each hour, as events of one stream.
//!
//! Flights, aircraft, airports and weather are tables of one source (`data/flights/README.md`), and events of one topic here, as the tables of an auction site are: `event_type` says
//! which an event is, and the columns of the others are NULL. **The tables come late**, which is not of the source: an aircraft is known up to three days after its first flight,
//! an airport within the first day, an hour's weather one to three hours after it began. So each of them corrects what had been computed of flights without them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::interleave::interleave_record_batch;

use super::draw::Draw;
use super::flights::{self, decoded};
use super::{Events, Workload, WorkloadQuery};

static PLANES: &[u8] = include_bytes!("../../data/flights/planes.parquet");
static AIRPORTS: &[u8] = include_bytes!("../../data/flights/airports.parquet");
static WEATHER: &[u8] = include_bytes!("../../data/flights/weather.parquet");

const HOUR_US: u64 = 3_600_000_000;

/// The workload: 367,671 events. Event time is `at` (a flight's scheduled departure, the hour that the weather is of, and of the others when they are known); arrival order is
/// `known`, of which the seed decides how late the tables are.
pub fn departures(seed: u64) -> Workload {
    let events = events(seed);
    let query = |name, about, v1, v2| WorkloadQuery::new(name, about, v1, v2);
    Workload {
        name: "departures".into(),
        about: "336,776 flights that left New York in 2013, with aircraft, airports and hourly weather, which come late".into(),
        schema: events.schema(),
        key: None,
        time_column: Some("at".into()),
        queries: vec![
            query("by_age", "delays by the age of the aircraft", sql!("v1", "by_age"), sql!("v2", "by_age")),
            query("by_maker", "delays by the maker of the aircraft", sql!("v1", "by_maker"), sql!("v2", "by_maker")),
            query("by_last_wind", "delays by the wind that was reported last", sql!("v1", "by_last_wind"), sql!("v2", "by_last_wind")),
            query(
                "carry_over",
                "how a delay carries over to the aircraft's next flights",
                sql!("v1", "carry_over"),
                sql!("v2", "carry_over"),
            ),
            query("by_wind", "delays by the wind of the hour", sql!("v1", "by_wind"), sql!("v2", "by_wind")),
            query("by_time_zone", "delays by the time zone of the destination", sql!("v1", "by_time_zone"), sql!("v2", "by_time_zone")),
        ],
        events: Events::Table(events),
    }
}

/// A query's text: what a flight is, in that version, and what is asked of flights.
macro_rules! sql {
    ($version:literal, $name:literal) => {
        concat!(include_str!(concat!("departures/views.", $version, ".sql")), include_str!(concat!("departures/", $name, ".sql")))
    };
}
use sql;

fn schema() -> SchemaRef {
    let time = |name| Field::new(name, time_type(), false);
    let numbers = |names: &'static [&'static str]| names.iter().map(|name| Field::new(*name, DataType::Int64, true));
    let floats = |names: &'static [&'static str]| names.iter().map(|name| Field::new(*name, DataType::Float64, true));
    let texts = |names: &'static [&'static str]| names.iter().map(|name| Field::new(*name, DataType::Utf8, true));
    let mut fields = vec![Field::new("event_type", DataType::Utf8, false), time("at"), time("known")];
    fields.extend(texts(&["carrier", "tailnum", "origin", "dest"]));
    fields.extend(numbers(&["flight", "sched_dep_time", "dep_time", "dep_delay", "arr_delay", "air_time", "distance"]));
    fields.extend(numbers(&["plane_year", "plane_engines", "plane_seats"]));
    fields.extend(texts(&["plane_manufacturer", "plane_model"]));
    fields.extend(texts(&["faa", "airport_name", "airport_tzone"]));
    fields.extend(floats(&["airport_lat", "airport_lon"]));
    fields.extend(numbers(&["airport_alt"]));
    fields.extend(floats(&["temp", "wind_speed", "wind_gust", "precip", "visib"]));
    Arc::new(Schema::new(fields))
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// All events, in the order in which they are known.
fn events(seed: u64) -> RecordBatch {
    let flights = flights::events();
    let (planes, airports, weather) = (read(PLANES), read(AIRPORTS), read(WEATHER));
    let known = times(&flights, "known");
    let start = known[0];
    let mut first_flight = HashMap::new();
    let flown = text(&flights, "tailnum");
    for (tail, &known) in flown.iter().zip(&known) {
        first_flight.entry(tail).or_insert(known);
    }
    let mut drawn = 0;
    let mut late = |most: u64| {
        drawn += 1;
        Draw::of(seed, drawn).below(most) as i64
    };
    let planes_known: Vec<i64> = text(&planes, "tailnum").iter().map(|tail| first_flight[&tail] + late(72 * HOUR_US)).collect();
    let airports_known: Vec<i64> = (0..airports.num_rows()).map(|_| start + late(24 * HOUR_US)).collect();
    let hours = times(&weather, "hour");
    let weather_known: Vec<i64> = hours.iter().map(|hour| hour + HOUR_US as i64 + late(2 * HOUR_US)).collect();

    let tables = [
        as_events("flight", &flights, (&times(&flights, "sched_dep"), &known)),
        as_events("plane", &planes, (&planes_known, &planes_known)),
        as_events("airport", &airports, (&airports_known, &airports_known)),
        as_events("weather", &weather, (&hours, &weather_known)),
    ];
    let mut order: Vec<(i64, (usize, usize))> = Vec::new();
    for (table, known) in [&known, &planes_known, &airports_known, &weather_known].into_iter().enumerate() {
        order.extend(known.iter().enumerate().map(|(row, &known)| (known, (table, row))));
    }
    order.sort_unstable();
    let places: Vec<(usize, usize)> = order.into_iter().map(|(_, place)| place).collect();
    interleave_record_batch(&tables.each_ref(), &places).expect("tables of one schema")
}

/// A table's rows as events, with their event times and when they are known. A column that other tables have not may be named for its table.
fn as_events(event_type: &str, table: &RecordBatch, (at, known): (&[i64], &[i64])) -> RecordBatch {
    let (rows, of_table) = (table.num_rows(), format!("{event_type}_"));
    let source = |name: &str| table.column_by_name(name.strip_prefix(&of_table).unwrap_or(name)).cloned();
    let time = |times: &[i64]| Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC")) as ArrayRef;
    let column = |field: &Arc<Field>| match field.name().as_str() {
        "event_type" => Arc::new(StringArray::from(vec![event_type; rows])),
        "at" => time(at),
        "known" => time(known),
        name => source(name).unwrap_or_else(|| new_null_array(field.data_type(), rows)),
    };
    let schema = schema();
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema, columns).expect("columns are made by the schema")
}

fn read(parquet: &'static [u8]) -> RecordBatch {
    decoded(parquet).expect("the bundled sample was read when this program was tested")
}

fn times(table: &RecordBatch, column: &str) -> Vec<i64> {
    table.column_by_name(column).expect("a column of the sample").as_primitive::<TimestampMicrosecondType>().values().to_vec()
}

fn text(table: &RecordBatch, column: &str) -> StringArray {
    table.column_by_name(column).expect("a column of the sample").as_string::<i32>().clone()
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;

    use super::*;

    #[test]
    fn the_tables_are_what_their_readme_says() {
        let all = departures(1).batch(0, usize::MAX);
        assert_eq!(all.num_rows(), 336_776 + 3_322 + 1_458 + 26_115);
        let types = text(&all, "event_type");
        let count = |of: &str| types.iter().filter(|t| *t == Some(of)).count();
        assert_eq!(["flight", "plane", "airport", "weather"].map(count), [336_776, 3_322, 1_458, 26_115]);
        assert!(times(&all, "known").is_sorted(), "arrival order");
        assert_eq!(all.column_by_name("plane_seats").unwrap().null_count(), all.num_rows() - 3_322);
        assert_eq!(all.column_by_name("plane_year").unwrap().null_count(), all.num_rows() - (3_322 - 70));
        assert_eq!(all.column_by_name("visib").unwrap().null_count(), all.num_rows() - 26_115);
        assert_eq!(all.column_by_name("dep_time").unwrap().null_count(), all.num_rows() - (336_776 - 8_255));
    }

    /// Flights that leave before their aircraft, its destination or the hour's weather is known are corrected later.
    #[test]
    fn tables_come_late_by_the_seed() {
        let all = departures(1).batch(0, usize::MAX);
        let (types, tails, known) = (text(&all, "event_type"), text(&all, "tailnum"), times(&all, "known"));
        let mut flown = HashMap::new();
        let mut late = 0;
        for row in 0..all.num_rows() {
            match types.value(row) {
                "flight" => drop(flown.entry(tails.value(row)).or_insert(known[row])),
                "plane" => {
                    let after = known[row] - flown[tails.value(row)];
                    assert!((0..72 * HOUR_US as i64).contains(&after), "{after}");
                    late += 1;
                }
                _ => {}
            }
        }
        assert_eq!(late, 3_322);
        assert_ne!(departures(1).batch(0, 5_000), departures(2).batch(0, 5_000));
        assert_eq!(departures(1).batch(1_000, 10), departures(1).batch(990, 30).slice(10, 10));
    }
}
