//! NEXMark: the events of an auction site, without end, and the queries over them.
//!
//! P. Tucker, K. Tufte, V. Papadimos, D. Maier: NEXMark, a benchmark for queries over data streams (2002), with the generator's rules and the queries as Apache Beam and
//! the `nexmark` project publish them: of 50 events one is a person, three are auctions and 46 are bids; ids rise with the events; half of the bids go to a hot auction, three
//! quarters come from a hot bidder, three quarters of the auctions from a hot seller. Prices are 10 to the power of 0 to 6, evenly, in cents. What differs: random numbers
//! are those of another generator, so that no event is the same as there.
//!
//! All events are in one topic, as the published tables are views of one stream: `event_type` says which of the three an event is (0, 1, 2), and the columns of the
//! others are NULL.

mod event;
mod queries;
mod text;

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use super::draw::Draw;
use super::{Events, Workload};
use event::Event;

/// What is generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nexmark {
    pub seed: u64,
    /// The event time of the first event: microseconds since 1970.
    pub start_us: i64,
    /// Events per second of event time.
    pub events_per_s: u64,
}

impl Default for Nexmark {
    fn default() -> Self {
        // 2024-01-01T00:00:00Z
        Nexmark { seed: 1, start_us: 1_704_067_200_000_000, events_per_s: 10_000 }
    }
}

impl Nexmark {
    /// The events with the queries over them.
    pub fn workload(self) -> Workload {
        Workload {
            name: "nexmark".into(),
            about: "NEXMark: persons, auctions and bids, generated without end".into(),
            schema: schema(),
            key: None,
            time_column: Some("date_time".into()),
            queries: queries::all(),
            events: Events::Nexmark(self),
        }
    }

    /// `rows` events from number `from` on.
    pub fn batch(&self, from: u64, rows: usize) -> RecordBatch {
        let mut columns = Columns::default();
        for number in from..from + rows as u64 {
            let time_us = self.time_us(number);
            columns.times.push(time_us);
            columns.push(&Event::new(number, time_us, self, &mut Draw::of(self.seed, number)));
        }
        columns.finish()
    }

    /// Whole milliseconds, as published.
    fn time_us(&self, event: u64) -> i64 {
        self.start_us + (u128::from(event) * 1_000 / u128::from(self.events_per_s)) as i64 * 1_000
    }
}

const PERSON_TEXTS: [&str; 5] = ["person_name", "person_email_address", "person_credit_card", "person_city", "person_state"];
const AUCTION_TEXTS: [&str; 2] = ["auction_item_name", "auction_description"];
const AUCTION_NUMBERS: [&str; 4] = ["auction_initial_bid", "auction_reserve", "auction_seller", "auction_category"];
const BID_NUMBERS: [&str; 3] = ["bid_auction", "bid_bidder", "bid_price"];
const BID_TEXTS: [&str; 2] = ["bid_channel", "bid_url"];

fn schema() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![Field::new("event_type", DataType::Int64, false), Field::new("date_time", time(), false)];
    fields.push(number("person_id"));
    fields.extend(PERSON_TEXTS.map(text));
    fields.push(number("auction_id"));
    fields.extend(AUCTION_TEXTS.map(text));
    fields.extend(AUCTION_NUMBERS.map(number));
    fields.push(Field::new("auction_expires", time(), true));
    fields.extend(BID_NUMBERS.map(number));
    fields.extend(BID_TEXTS.map(text));
    fields.push(Field::new("extra", DataType::Utf8, false));
    Arc::new(Schema::new(fields))
}

#[derive(Default)]
struct Columns {
    types: Vec<i64>,
    times: Vec<i64>,
    person_id: Int64Builder,
    person_texts: [StringBuilder; 5],
    auction_id: Int64Builder,
    auction_texts: [StringBuilder; 2],
    auction_numbers: [Int64Builder; 4],
    expires: Vec<Option<i64>>,
    bid_numbers: [Int64Builder; 3],
    bid_texts: [StringBuilder; 2],
    extra: StringBuilder,
}

fn numbers<const N: usize>(columns: &mut [Int64Builder; N], values: Option<[i64; N]>) {
    columns.iter_mut().enumerate().for_each(|(i, column)| column.append_option(values.map(|v| v[i])));
}

fn texts<const N: usize>(columns: &mut [StringBuilder; N], values: Option<[&str; N]>) {
    columns.iter_mut().enumerate().for_each(|(i, column)| column.append_option(values.map(|v| v[i])));
}

impl Columns {
    fn push(&mut self, event: &Event) {
        let (person, auction, bid) = match event {
            Event::Person(person) => (Some(person), None, None),
            Event::Auction(auction) => (None, Some(auction), None),
            Event::Bid(bid) => (None, None, Some(bid)),
        };
        self.types.push(if person.is_some() { 0 } else { 1 + i64::from(bid.is_some()) });
        self.person_id.append_option(person.map(|p| p.id));
        texts(&mut self.person_texts, person.map(|p| [&*p.name, &*p.email_address, &*p.credit_card, p.city, p.state]));
        self.auction_id.append_option(auction.map(|a| a.id));
        texts(&mut self.auction_texts, auction.map(|a| [&*a.item_name, &*a.description]));
        numbers(&mut self.auction_numbers, auction.map(|a| [a.initial_bid, a.reserve, a.seller, a.category]));
        self.expires.push(auction.map(|a| a.expires_us));
        numbers(&mut self.bid_numbers, bid.map(|b| [b.auction, b.bidder, b.price]));
        texts(&mut self.bid_texts, bid.map(|b| [&*b.channel, &*b.url]));
        self.extra.append_value(match event {
            Event::Person(p) => &p.extra,
            Event::Auction(a) => &a.extra,
            Event::Bid(b) => &b.extra,
        });
    }

    fn finish(mut self) -> RecordBatch {
        let time = |times: TimestampMicrosecondArray| Arc::new(times.with_timezone("UTC")) as ArrayRef;
        let number = |column: &mut Int64Builder| Arc::new(column.finish()) as ArrayRef;
        let text = |column: &mut StringBuilder| Arc::new(column.finish()) as ArrayRef;
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(arrow_array::Int64Array::from(self.types)), time(TimestampMicrosecondArray::from(self.times))];
        columns.push(number(&mut self.person_id));
        columns.extend(self.person_texts.iter_mut().map(text));
        columns.push(number(&mut self.auction_id));
        columns.extend(self.auction_texts.iter_mut().map(text));
        columns.extend(self.auction_numbers.iter_mut().map(number));
        columns.push(time(TimestampMicrosecondArray::from(self.expires)));
        columns.extend(self.bid_numbers.iter_mut().map(number));
        columns.extend(self.bid_texts.iter_mut().map(text));
        columns.push(text(&mut self.extra));
        RecordBatch::try_new(schema(), columns).expect("columns are made by the schema")
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    use super::*;

    fn ints(batch: &RecordBatch, column: &str) -> Vec<Option<i64>> {
        batch.column_by_name(column).unwrap().as_primitive::<Int64Type>().iter().collect()
    }

    #[test]
    fn chunks_do_not_matter() {
        let nexmark = Nexmark { seed: 3, ..Nexmark::default() };
        let whole = nexmark.batch(100, 2_000);
        for (from, rows) in [(100, 1), (149, 2), (777, 1_000)] {
            assert_eq!(nexmark.batch(from, rows), whole.slice(from as usize - 100, rows), "{rows} events from {from}");
        }
        assert_ne!(nexmark.batch(0, 50), Nexmark { seed: 4, ..nexmark.clone() }.batch(0, 50));
    }

    /// The shares that are published.
    #[test]
    fn events_are_as_frequent_as_published() {
        let n = 100_000;
        let batch = Nexmark::default().batch(0, n);
        let types = ints(&batch, "event_type");
        let count = |kind| types.iter().filter(|t| **t == Some(kind)).count();
        assert_eq!([count(0), count(1), count(2)], [n / 50, n * 3 / 50, n * 46 / 50]);
        // Ids rise by one, from 1,000.
        let persons: Vec<i64> = ints(&batch, "person_id").into_iter().flatten().collect();
        assert_eq!(persons, (1_000..1_000 + persons.len() as i64).collect::<Vec<_>>());
        let auctions: Vec<i64> = ints(&batch, "auction_id").into_iter().flatten().collect();
        assert_eq!(auctions, (1_000..1_000 + auctions.len() as i64).collect::<Vec<_>>());
        let share = |column: &str, is: &dyn Fn(i64) -> bool| {
            let values: Vec<i64> = ints(&batch, column).into_iter().flatten().collect();
            values.iter().filter(|v| is(**v)).count() as f64 / values.len() as f64
        };
        // The hot ones are the first auction of a hundred and the second person of a hundred; a few of the others meet them, too.
        assert!((share("bid_auction", &|a| a % 100 == 0) - 0.5).abs() < 0.02);
        assert!((share("bid_bidder", &|b| b % 100 == 1) - 0.75).abs() < 0.02);
        assert!((share("auction_seller", &|s| s % 100 == 0) - 0.75).abs() < 0.03);
        assert!((share("bid_price", &|p| p < 10_000) - 1.0 / 3.0).abs() < 0.02);
        assert!((share("auction_category", &|c| c == 10) - 0.2).abs() < 0.02);
        let channels = batch.column_by_name("bid_channel").unwrap().as_string::<i32>();
        let hot = channels.iter().flatten().filter(|c| !c.starts_with("channel-")).count() as f64 / (n as f64 * 0.92);
        assert!((hot - 0.5).abs() < 0.02, "{hot}");
    }
}
