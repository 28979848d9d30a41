//! Generated pageviews, for load: any number of them, the same bytes for the same settings.
//!
//! Events are made in blocks, each from a random stream of its own, so that any part can be made at any time, on any thread, in
//! chunks of any size, and is always the same. (The distributions use the platform's `ln`, `exp` and `pow`; on a platform that
//! rounds these otherwise, a rare event could differ by one.)

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Zipf};
use serde::{Deserialize, Serialize};

use super::{Events, Workload, WorkloadQuery};

/// Events of one block. Part of the format: another figure gives other events.
const BLOCK_EVENTS: u64 = 4096;

/// A second, in microseconds.
const SECOND_US: f64 = 1e6;

/// What is generated. An event is 32 bytes: `time`, `url`, `user`, `duration_ms`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pageviews {
    pub seed: u64,
    /// Urls are the numbers from 1 to this; 1 is the most popular.
    pub urls: u64,
    /// The Zipf exponent: url k is viewed in proportion to k^-skew. 0 is uniform.
    pub skew: f64,
    /// Users are the numbers from 1 to this, uniform.
    pub users: u64,
    /// The median view, in milliseconds.
    pub duration_median_ms: f64,
    /// Of the logarithm of the duration.
    pub duration_sigma: f64,
    /// The event time at which the first event arrives: microseconds since 1970.
    pub start_us: i64,
    /// Events per second of event time, outside bursts.
    pub events_per_s: f64,
    /// The part of events that arrive late, 0 to 1.
    pub late_share: f64,
    /// By how much at most: a late event is late by 1 to this many microseconds, uniform.
    pub late_max_us: i64,
    /// The part of events that repeat an earlier one of the same block, as a producer's retry does, 0 to 1.
    pub duplicate_share: f64,
    pub burst: Option<Burst>,
}

/// Times at which more arrives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Burst {
    /// From the start of one burst to the start of the next, in seconds of event time; the first begins one quiet time in.
    pub every_s: f64,
    /// How long each is; less than `every_s`.
    pub length_s: f64,
    /// How many times the usual rate arrives meanwhile.
    pub factor: f64,
}

impl Default for Pageviews {
    fn default() -> Self {
        Pageviews {
            seed: 1,
            urls: 20_000,
            skew: 1.0,
            users: 1_000_000,
            duration_median_ms: 12_000.0,
            duration_sigma: 1.6,
            // 2024-01-01T00:00:00Z
            start_us: 1_704_067_200_000_000,
            events_per_s: 10_000.0,
            late_share: 0.02,
            late_max_us: 90_000_000,
            duplicate_share: 0.001,
            burst: Some(Burst { every_s: 60.0, length_s: 3.0, factor: 4.0 }),
        }
    }
}

impl Pageviews {
    /// The events with the queries over them.
    pub fn workload(self) -> Workload {
        Workload {
            name: "pageviews".into(),
            about: "generated page views, without end".into(),
            schema: schema(),
            key: Some("user".into()),
            time_column: Some("time".into()),
            queries: vec![WorkloadQuery::new(
                "views_by_minute_url",
                "views and reading time by minute and page; the fix caps a view at half an hour",
                include_str!("pageviews/views_by_minute_url.v1.sql"),
                include_str!("pageviews/views_by_minute_url.v2.sql"),
            )],
            events: Events::Pageviews(self),
        }
    }

    /// `rows` events from number `from` on.
    pub fn batch(&self, from: u64, rows: usize) -> RecordBatch {
        let to = from + rows as u64;
        let mut columns = Columns::with_capacity(rows);
        let distributions = Distributions::of(self);
        for block in from / BLOCK_EVENTS..to.div_ceil(BLOCK_EVENTS) {
            let start = block * BLOCK_EVENTS;
            let wanted = from.max(start) - start..to.min(start + BLOCK_EVENTS) - start;
            self.block(block, wanted, &distributions, &mut columns);
        }
        columns.finish()
    }

    /// When event number `n` arrives, in microseconds of event time: what its own time would be were it not late.
    pub fn arrival_us(&self, n: u64) -> i64 {
        let n = n as f64;
        let seconds = match self.burst {
            None => n / self.events_per_s,
            Some(burst) => {
                let quiet_s = burst.every_s - burst.length_s;
                let quiet_events = quiet_s * self.events_per_s;
                let burst_events = burst.length_s * self.events_per_s * burst.factor;
                let cycles = (n / (quiet_events + burst_events)).floor();
                let rest = n - cycles * (quiet_events + burst_events);
                let within = if rest < quiet_events {
                    rest / self.events_per_s
                } else {
                    quiet_s + (rest - quiet_events) / (self.events_per_s * burst.factor)
                };
                cycles * burst.every_s + within
            }
        };
        self.start_us + (seconds * SECOND_US) as i64
    }

    /// Adds the events `wanted` (by their number in the block) of one block. All before them are drawn, too: a repeat may be of any.
    fn block(&self, block: u64, wanted: std::ops::Range<u64>, distributions: &Distributions, out: &mut Columns) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(block);
        let mut events: Vec<[i64; 4]> = Vec::with_capacity(wanted.end as usize);
        for i in 0..wanted.end {
            let repeat = !events.is_empty() && rng.random::<f64>() < self.duplicate_share;
            let event = if repeat {
                events[rng.random_range(0..events.len())]
            } else {
                let late = rng.random::<f64>() < self.late_share;
                let late_us = if late && self.late_max_us > 0 { rng.random_range(1..=self.late_max_us) } else { 0 };
                let time = self.arrival_us(block * BLOCK_EVENTS + i) - late_us;
                let url = distributions.url.sample(&mut rng) as i64;
                let user = rng.random_range(1..=self.users.max(1)) as i64;
                [time, url, user, distributions.duration_ms.sample(&mut rng) as i64]
            };
            events.push(event);
        }
        events[wanted.start as usize..].iter().for_each(|&event| out.push(event));
    }
}

struct Distributions {
    url: Zipf<f64>,
    duration_ms: LogNormal<f64>,
}

impl Distributions {
    /// # Panics
    /// If a setting is outside its range: settings are the program's own, not a user's.
    fn of(p: &Pageviews) -> Self {
        Distributions {
            url: Zipf::new(p.urls as f64, p.skew).expect("at least one url, and a skew of at least 0"),
            duration_ms: LogNormal::new(p.duration_median_ms.ln(), p.duration_sigma).expect("a finite median and spread"),
        }
    }
}

struct Columns([Vec<i64>; 4]);

impl Columns {
    fn with_capacity(rows: usize) -> Self {
        Columns(std::array::from_fn(|_| Vec::with_capacity(rows)))
    }

    fn push(&mut self, event: [i64; 4]) {
        self.0.iter_mut().zip(event).for_each(|(column, value)| column.push(value));
    }

    fn finish(self) -> RecordBatch {
        let [time, url, user, duration_ms] = self.0;
        let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(time).with_timezone("UTC"));
        let number = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        RecordBatch::try_new(schema(), vec![time, number(url), number(user), number(duration_ms)]).expect("columns of one length")
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        Field::new("url", DataType::Int64, false),
        Field::new("user", DataType::Int64, false),
        Field::new("duration_ms", DataType::Int64, false),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(batch: &RecordBatch, column: usize) -> &[i64] {
        use arrow_array::cast::AsArray;
        match column {
            0 => batch.column(0).as_primitive::<arrow_array::types::TimestampMicrosecondType>().values(),
            _ => batch.column(column).as_primitive::<arrow_array::types::Int64Type>().values(),
        }
    }

    /// FNV-1a over the columns' bytes, little-endian.
    fn hash(batch: &RecordBatch) -> u64 {
        let bytes = (0..4).flat_map(|c| values(batch, c).iter().flat_map(|v| v.to_le_bytes()));
        bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    #[test]
    fn the_bytes_are_pinned() {
        assert_eq!(format!("{:016x}", hash(&Pageviews::default().batch(0, 100_000))), "0b8a043d7359fe11");
    }

    #[test]
    fn chunks_do_not_matter() {
        let pageviews = Pageviews { seed: 7, duplicate_share: 0.1, ..Pageviews::default() };
        let whole = pageviews.batch(1_000, 20_000);
        for (from, rows) in [(1_000, 1), (4_095, 2), (4_096, 4_096), (9_999, 7_000), (20_999, 1)] {
            let part = pageviews.batch(from, rows);
            assert_eq!(part, whole.slice(from as usize - 1_000, rows), "{rows} events from {from}");
        }
        assert_ne!(pageviews.batch(0, 100), Pageviews { seed: 8, ..pageviews.clone() }.batch(0, 100));
    }

    #[test]
    fn settings_do_what_they_say() {
        let n = 200_000;
        let plain = Pageviews { late_share: 0.0, duplicate_share: 0.0, burst: None, ..Pageviews::default() };
        let batch = plain.batch(0, n);
        assert!(values(&batch, 0).is_sorted(), "nothing is late");
        let share = |batch: &RecordBatch, url| values(batch, 1).iter().filter(|&&u| u == url).count() as f64 / n as f64;
        // For Zipf with exponent 1 over 20,000 urls: 1 / H(20,000) = 0.0954.
        assert!((share(&batch, 1) - 0.0954).abs() < 0.005, "{}", share(&batch, 1));
        assert!((share(&batch, 2) - 0.0477).abs() < 0.005);
        assert!(share(&Pageviews { skew: 0.0, ..plain.clone() }.batch(0, n), 1) < 0.001);

        let late = Pageviews { late_share: 0.25, late_max_us: 5_000_000, ..plain.clone() };
        let delays: Vec<i64> = values(&late.batch(0, n), 0).iter().enumerate().map(|(i, t)| late.arrival_us(i as u64) - t).collect();
        assert!(delays.iter().all(|d| (0..=5_000_000).contains(d)));
        let late_share = delays.iter().filter(|&&d| d > 0).count() as f64 / n as f64;
        assert!((late_share - 0.25).abs() < 0.01, "{late_share}");

        let repeated = Pageviews { duplicate_share: 0.5, ..plain.clone() }.batch(0, n);
        let rows: Vec<[i64; 4]> = (0..n).map(|i| std::array::from_fn(|c| values(&repeated, c)[i])).collect();
        let distinct: std::collections::HashSet<_> = rows.iter().collect();
        assert!((distinct.len() as f64 / n as f64 - 0.5).abs() < 0.01, "{}", distinct.len());
    }

    #[test]
    fn a_burst_is_a_burst() {
        let burst = Burst { every_s: 10.0, length_s: 2.0, factor: 5.0 };
        let p = Pageviews { late_share: 0.0, duplicate_share: 0.0, burst: Some(burst), events_per_s: 1_000.0, ..Pageviews::default() };
        let mut per_second = [0; 20];
        for &t in values(&p.batch(0, 36_000), 0) {
            per_second[((t - p.start_us) / 1_000_000) as usize] += 1;
        }
        let cycle = [1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 5_000, 5_000];
        assert!(per_second.iter().zip(cycle.iter().cycle()).all(|(a, b): (&i32, &i32)| (a - b).abs() <= 1), "{per_second:?}");
    }
}
