//! The Yahoo streaming benchmark: views of advertisements, counted by campaign in windows of 10 seconds.
//!
//! S. Chintapalli et al.: Benchmarking Streaming Computation Engines: Storm, Flink and Spark Streaming (2016). Of 100 campaigns with 10 advertisements each an event names
//! one, evenly; a third of the events are views, which alone are counted. There a table in Redis says whose campaign an advertisement is; here its number does (those
//! of campaign `c` are `10 c` to `10 c + 9`), so that the lookup is a division.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use super::draw::Draw;
use super::{Events, Workload, WorkloadQuery};

const CAMPAIGNS: u64 = 100;
const ADS_OF_CAMPAIGN: u64 = 10;
const USERS: u64 = 100;
const PAGES: u64 = 100;
const AD_TYPES: [&str; 5] = ["banner", "modal", "sponsored-search", "mail", "mobile"];
const EVENT_TYPES: [&str; 3] = ["view", "click", "purchase"];

/// What is generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ysb {
    pub seed: u64,
    /// The event time of the first event: microseconds since 1970.
    pub start_us: i64,
    /// Events per second of event time.
    pub events_per_s: u64,
}

impl Default for Ysb {
    fn default() -> Self {
        // 2024-01-01T00:00:00Z
        Ysb { seed: 1, start_us: 1_704_067_200_000_000, events_per_s: 10_000 }
    }
}

impl Ysb {
    /// The events with the query over them.
    pub fn workload(self) -> Workload {
        let sql = include_str!("ysb/views_by_campaign.sql");
        Workload {
            name: "ysb".into(),
            about: "the Yahoo streaming benchmark: views, clicks and purchases of advertisements, generated without end".into(),
            schema: schema(),
            key: Some("ad_id".into()),
            time_column: Some("event_time".into()),
            queries: vec![WorkloadQuery::new("views_by_campaign", "views of each campaign in windows of 10 seconds", sql, sql)],
            events: Events::Ysb(self),
        }
    }

    /// `rows` events from number `from` on.
    pub fn batch(&self, from: u64, rows: usize) -> RecordBatch {
        let events: Vec<Event> = (from..from + rows as u64).map(|number| self.event(number)).collect();
        let number = |of: &dyn Fn(&Event) -> i64| Arc::new(Int64Array::from_iter_values(events.iter().map(of))) as ArrayRef;
        let text = |of: &dyn Fn(&Event) -> &'static str| Arc::new(StringArray::from_iter_values(events.iter().map(of))) as ArrayRef;
        let times = TimestampMicrosecondArray::from_iter_values(events.iter().map(|e| e.time_us)).with_timezone("UTC");
        let columns = vec![
            number(&|e| e.user),
            number(&|e| e.page),
            number(&|e| e.ad),
            text(&|e| e.ad_type),
            text(&|e| e.event_type),
            Arc::new(times),
            text(&|_| "1.2.3.4"),
        ];
        RecordBatch::try_new(schema(), columns).expect("columns are made by the schema")
    }

    fn event(&self, number: u64) -> Event {
        let mut draw = Draw::of(self.seed, number);
        Event {
            user: draw.below(USERS) as i64,
            page: draw.below(PAGES) as i64,
            ad: draw.below(CAMPAIGNS * ADS_OF_CAMPAIGN) as i64,
            ad_type: draw.pick(&AD_TYPES),
            event_type: draw.pick(&EVENT_TYPES),
            time_us: self.start_us + (u128::from(number) * 1_000_000 / u128::from(self.events_per_s)) as i64,
        }
    }
}

struct Event {
    user: i64,
    page: i64,
    ad: i64,
    ad_type: &'static str,
    event_type: &'static str,
    time_us: i64,
}

fn schema() -> SchemaRef {
    let number = |name: &str| Field::new(name, DataType::Int64, false);
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![
        number("user_id"),
        number("page_id"),
        number("ad_id"),
        text("ad_type"),
        text("event_type"),
        Field::new("event_time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        text("ip_address"),
    ]))
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use super::*;

    #[test]
    fn chunks_do_not_matter_and_a_third_are_views() {
        let ysb = Ysb::default();
        let whole = ysb.batch(0, 30_000);
        assert_eq!(ysb.batch(777, 100), whole.slice(777, 100));
        let views = whole.column(4).as_string::<i32>().iter().filter(|e| *e == Some("view")).count();
        assert!((9_700..10_300).contains(&views), "{views}");
        assert_ne!(whole, Ysb { seed: 2, ..ysb }.batch(0, 30_000));
    }
}
