//! Theodolite's four use cases: measurements of electrical power by many sensors.
//!
//! S. Henning, W. Hasselbring: Theodolite, scalable benchmarking of distributed stream processing engines in microservice architectures (2021). Each sensor measures once a
//! second. UC1 stores what comes; UC2 summarises each sensor's measurements of a minute; UC3 averages each sensor's measurements of the same hour of the day over 30
//! days, anew every day; UC4 sums up the newest measurements of the sensors of each group in a minute, of groups that hold groups. There the tree of groups is a topic; here it follows from
//! a sensor's number: four sensors are a group, four groups a group above it, three levels high. What sensors measure is drawn (between 0 and 100 watts about a
//! level of the sensor's own), where the published load is a constant.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use super::draw::Draw;
use super::{Events, Workload, WorkloadQuery};

/// What is generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Theodolite {
    pub seed: u64,
    /// The event time of the first event: microseconds since 1970.
    pub start_us: i64,
    /// Sensors are the numbers from 0. The more there are, the more events a second of event time has.
    pub sensors: u64,
}

impl Default for Theodolite {
    fn default() -> Self {
        // 2024-01-01T00:00:00Z
        Theodolite { seed: 1, start_us: 1_704_067_200_000_000, sensors: 1_000 }
    }
}

impl Theodolite {
    /// The events with the queries over them.
    pub fn workload(self) -> Workload {
        let query = |name, about, sql| WorkloadQuery::new(name, about, sql, sql);
        Workload {
            name: "theodolite".into(),
            about: "Theodolite: measurements of power by many sensors, generated without end".into(),
            schema: schema(),
            key: Some("sensor".into()),
            time_column: Some("time".into()),
            queries: vec![
                query(
                    "uc2",
                    "how many, and their mean, variance, least and greatest, by sensor and minute",
                    include_str!("theodolite/uc2.sql"),
                ),
                query("uc1", "every measurement", include_str!("theodolite/uc1.sql")),
                query("uc3", "the mean of each hour of the day over 30 days, by sensor", include_str!("theodolite/uc3.sql")),
                query("uc4", "the power of each group of sensors by minute", include_str!("theodolite/uc4.sql")),
            ],
            events: Events::Theodolite(self),
        }
    }

    /// `rows` events from number `from` on.
    pub fn batch(&self, from: u64, rows: usize) -> RecordBatch {
        let numbers = || from..from + rows as u64;
        let sensor = |number: u64| (number % self.sensors) as i64;
        let time_us = |number: u64| self.start_us + (u128::from(number) * 1_000_000 / u128::from(self.sensors)) as i64;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(numbers().map(sensor))),
            Arc::new(TimestampMicrosecondArray::from_iter_values(numbers().map(time_us)).with_timezone("UTC")),
            Arc::new(Float64Array::from_iter_values(numbers().map(|number| self.watts(number)))),
        ];
        RecordBatch::try_new(schema(), columns).expect("columns are made by the schema")
    }

    /// With one digit after the point.
    fn watts(&self, number: u64) -> f64 {
        let level = Draw::of(self.seed, u64::MAX - number % self.sensors).share() * 80.0;
        ((level + Draw::of(self.seed, number).share() * 20.0) * 10.0).round() / 10.0
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("sensor", DataType::Int64, false),
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        Field::new("watts", DataType::Float64, false),
    ]))
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};

    use super::*;

    #[test]
    fn each_sensor_measures_once_a_second() {
        let theodolite = Theodolite { sensors: 10, ..Theodolite::default() };
        let batch = theodolite.batch(0, 100);
        assert_eq!(theodolite.batch(33, 20), batch.slice(33, 20));
        let sensors = batch.column(0).as_primitive::<Int64Type>();
        let times = batch.column(1).as_primitive::<arrow_array::types::TimestampMicrosecondType>();
        for (i, (sensor, time)) in sensors.values().iter().zip(times.values()).enumerate() {
            assert_eq!((*sensor, (time - theodolite.start_us) / 1_000_000), (i as i64 % 10, i as i64 / 10));
        }
        assert!(batch.column(2).as_primitive::<Float64Type>().values().iter().all(|w| (0.0..=100.0).contains(w)));
    }
}
