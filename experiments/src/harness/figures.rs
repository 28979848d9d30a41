//! From what was recorded to the figures and series of a result.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use super::load::Arrivals;
use crate::systems::timeline::Readable;
use twopath_results::result::{AnswersBin, FreshnessBin, Quantiles, ReadsBin};

/// Longest time that a histogram holds: an hour, in microseconds.
const LONGEST_US: u64 = 3_600_000_000;
/// Of a series over the run.
const BINS: usize = 80;
/// Points of a distribution chart per halving of what lies above.
const POINTS_PER_HALVING: usize = 4;

/// Microseconds, to three significant figures.
pub fn histogram(values_us: impl IntoIterator<Item = u64>) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are in order");
    for value in values_us {
        histogram.saturating_record(value);
    }
    histogram
}

/// In milliseconds; zeros where nothing was recorded.
pub fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    let at = |q| if histogram.is_empty() { 0.0 } else { histogram.value_at_quantile(q) as f64 / 1e3 };
    Quantiles {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: at(1.0),
        mean: if histogram.is_empty() { 0.0 } else { histogram.mean() / 1e3 },
        count: histogram.len(),
    }
}

/// `[percentile, milliseconds]`, denser towards 100.
pub fn percentiles(histogram: &Histogram<u64>) -> Vec<[f64; 2]> {
    if histogram.is_empty() {
        return Vec::new();
    }
    // As far as one value of all there are.
    let halvings = (histogram.len() as f64).log2().ceil() as usize;
    let above = |i: usize| 0.5f64.powf(i as f64 / POINTS_PER_HALVING as f64);
    let shares = (0..=halvings * POINTS_PER_HALVING).map(|i| 1.0 - above(i)).chain([1.0]);
    shares.map(|share| [share * 100.0, histogram.value_at_quantile(share) as f64 / 1e3]).collect()
}

/// HdrHistogram's V2 compressed encoding, of microseconds, as base64.
pub fn encoded(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("writing to memory does not fail");
    base64(&bytes)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, &b| word << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let value = (word >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { DIGITS[value as usize] as char } else { '=' });
        }
    }
    text
}

/// For each record of the steady phase, in [`Arrivals::iter`]'s order: when the first answer that covers it could be read.
pub fn fresh_us(arrivals: &Arrivals, readable: &[Readable]) -> Vec<Option<u64>> {
    let mut next = 0;
    let mut partition = None;
    let covers = |(p, offset): (twopath_base::PartitionId, twopath_base::Offset), r: &Readable| r.position.get(p) > offset;
    let first = |(p, offset, _)| {
        if partition != Some(p) {
            (partition, next) = (Some(p), 0);
        }
        while next < readable.len() && !covers((p, offset), &readable[next]) {
            next += 1;
        }
        readable.get(next).map(|r| r.at_us)
    };
    arrivals.iter().map(first).collect()
}

/// Bins of equal width over a span of the timeline.
pub struct Bins {
    from_us: u64,
    width_us: f64,
}

impl Bins {
    pub fn new(from_us: u64, to_us: u64) -> Self {
        Bins { from_us, width_us: ((to_us.saturating_sub(from_us)) as f64 / BINS as f64).max(1.0) }
    }

    fn of(&self, at_us: u64) -> usize {
        ((at_us.saturating_sub(self.from_us) as f64 / self.width_us) as usize).min(BINS - 1)
    }

    /// Milliseconds since the span's start at which a bin begins.
    fn at_ms(&self, bin: usize) -> f64 {
        bin as f64 * self.width_us / 1e3
    }

    /// `events`: intended arrival, and how long until an answer covered it. Bins without events are left out.
    pub fn freshness(&self, events: impl Iterator<Item = (u64, u64)>) -> Vec<FreshnessBin> {
        let mut bins = vec![Vec::new(); BINS];
        for (due_us, freshness_us) in events {
            bins[self.of(due_us)].push(freshness_us);
        }
        let bin = |(i, values): (usize, Vec<u64>)| {
            let [p50_ms, p99_ms, max_ms] = quantiles_ms(values)?;
            Some(FreshnessBin { at_ms: self.at_ms(i), p50_ms, p99_ms, max_ms })
        };
        bins.into_iter().enumerate().filter_map(bin).collect()
    }

    /// `reads`: when it was due, and how long it took. Bins without reads are left out.
    pub fn reads(&self, reads: impl Iterator<Item = (u64, u64)>) -> Vec<ReadsBin> {
        let mut bins = vec![Vec::new(); BINS];
        for (due_us, took_us) in reads {
            bins[self.of(due_us)].push(took_us);
        }
        let bin = |(i, values): (usize, Vec<u64>)| {
            let count = values.len() as u64;
            let [p50_ms, p99_ms, max_ms] = quantiles_ms(values)?;
            Some(ReadsBin { at_ms: self.at_ms(i), count, p50_ms, p99_ms, max_ms })
        };
        bins.into_iter().enumerate().filter_map(bin).collect()
    }

    /// `answers`: when it was read, whether it was wrong, whether outdated.
    pub fn answers(&self, answers: impl Iterator<Item = (u64, bool, bool)>) -> Vec<AnswersBin> {
        let mut bins: Vec<AnswersBin> = (0..BINS).map(|i| AnswersBin { at_ms: self.at_ms(i), ..AnswersBin::default() }).collect();
        for (read_us, wrong, outdated) in answers {
            let bin = &mut bins[self.of(read_us)];
            bin.checked += 1;
            bin.wrong += u64::from(wrong);
            bin.outdated += u64::from(outdated);
        }
        bins
    }
}

/// Of microseconds, the 50th and the 99th percentile and the greatest, in milliseconds; none where there are none.
fn quantiles_ms(mut values_us: Vec<u64>) -> Option<[f64; 3]> {
    values_us.sort_unstable();
    let last = values_us.len().checked_sub(1)?;
    let at = |q: f64| values_us[((values_us.len() as f64 * q).ceil() as usize).saturating_sub(1).min(last)] as f64 / 1e3;
    Some([0.5, 0.99, 1.0].map(at))
}

/// None where the run kept up: at no time in the last quarter of the schedule were more events waiting than `normal_us` brings, or at
/// least no more than twice what waited in the second quarter. A backlog that is long but does not grow is late, not lost. Else the second
/// of the schedule from which on more than that was always waiting.
pub fn kept_up(arrivals: &Arrivals, readable: &[Readable], normal_us: u64) -> Option<f64> {
    const LOOKS: u64 = 100;
    let schedule = &arrivals.schedule;
    let length_us = schedule.end_us().saturating_sub(schedule.start_us);
    let waiting: Vec<u64> = (0..LOOKS).map(|i| backlog(arrivals, readable, schedule.start_us + length_us * i / LOOKS)).collect();
    let most = |quarter: std::ops::Range<usize>| waiting[quarter].iter().copied().max().unwrap_or(0);
    let bearable = ((normal_us as f64 * schedule.rate / 1e6) as u64).max(2 * most(25..50));
    if most(75..100) <= bearable {
        return None;
    }
    // The last look at which nothing more than normal was waiting: from then on it fell behind.
    let normal = (normal_us as f64 * schedule.rate / 1e6) as u64;
    let since = waiting.iter().rposition(|&w| w <= normal).map_or(0, |i| i + 1);
    Some(length_us as f64 / 1e6 * since as f64 / LOOKS as f64)
}

/// How many events had arrived and were in no answer at a time.
fn backlog(arrivals: &Arrivals, readable: &[Readable], at_us: u64) -> u64 {
    let arrived = arrivals.position_at(at_us);
    match readable.partition_point(|r| r.at_us <= at_us).checked_sub(1) {
        Some(last) => arrived.records_since(&readable[last].position),
        None => arrived.records_since(&arrivals.base),
    }
}

#[cfg(test)]
mod tests {
    use twopath_base::{PartitionId, Position};

    use super::*;
    use crate::harness::load::{Append, Schedule};

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    /// Events 0, 2, 4 ... in partition 0, the others in partition 1; one a millisecond.
    fn arrivals(events: u64) -> Arrivals {
        let partitions: Vec<_> = (0..events).map(|i| PartitionId((i % 2) as u32)).collect();
        let position = at(&format!("{},{}", events.div_ceil(2), events / 2));
        let schedule = Schedule { start_us: 0, rate: 1_000.0, events };
        Arrivals::new(schedule, at("0,0"), &[Append { to_event: events, position }], Some(&partitions))
    }

    #[test]
    fn freshness_is_of_every_event() {
        let readable = [
            Readable { at_us: 2_500, position: at("1,1") },
            Readable { at_us: 5_000, position: at("2,1") },
            Readable { at_us: 9_000, position: at("3,2") },
        ];
        let fresh = fresh_us(&arrivals(6), &readable);
        assert_eq!(fresh, [Some(2_500), Some(5_000), Some(9_000), Some(2_500), Some(9_000), None]);
    }

    #[test]
    fn quantiles_are_milliseconds() {
        let h = histogram(1..=1_000);
        let q = quantiles(&h);
        assert_eq!((q.p50, q.p90, q.p99, q.p999, q.max, q.mean, q.count), (0.5, 0.9, 0.99, 0.999, 1.0, 0.5005, 1_000));
        assert_eq!(quantiles(&histogram([])), Quantiles::default());
        let p = percentiles(&h);
        assert_eq!(p.last().unwrap(), &[100.0, 1.0]);
        assert!(p.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1]));
        // Four points a halving, ten halvings down to one of a thousand, and the last.
        assert_eq!((p.len(), p[0], p[4], p[8]), (42, [0.0, 0.001], [50.0, 0.5], [75.0, 0.75]));
        assert_eq!(percentiles(&histogram([])), Vec::<[f64; 2]>::new());
        assert_eq!(quantiles(&histogram([LONGEST_US, 2 * LONGEST_US])).count, 2, "what is longer is held as the longest");
        assert!(encoded(&h).starts_with("HISTF"), "V2's compressed cookie: {}", encoded(&h));
    }

    #[test]
    fn base64_by_the_rfc() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|t| base64(t.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn a_growing_backlog_is_no_steady_state() {
        let arrivals = arrivals(1_000);
        let after = |share: f64| {
            let each = move |i: u64| {
                let covered = (i as f64 * share) as u64;
                Readable { at_us: i * 1_000, position: at(&format!("{},{}", covered.div_ceil(2), covered / 2)) }
            };
            (0..1_000).map(each).collect::<Vec<_>>()
        };
        assert_eq!(kept_up(&arrivals, &after(1.0), 10_000), None);
        let since = kept_up(&arrivals, &after(0.5), 10_000).expect("half of the events wait in the end");
        assert!((0.01..=0.05).contains(&since), "more than 10 were waiting after 20 ms: {since}");
        assert_eq!(kept_up(&arrivals, &after(0.5), 1_000_000), None, "less than is normally waiting");
        assert!(kept_up(&arrivals, &[], 10_000).is_some());
    }

    #[test]
    fn what_waits_is_what_arrived_and_is_in_no_answer() {
        let arrivals = arrivals(10);
        let readable = [Readable { at_us: 3_000, position: at("1,1") }, Readable { at_us: 6_000, position: at("3,2") }];
        // An event a millisecond, the first at once.
        let waiting = [0, 2_999, 3_000, 5_999, 6_000, 9_000, 50_000].map(|at_us| backlog(&arrivals, &readable, at_us));
        assert_eq!(waiting, [1, 3, 2, 4, 2, 5, 5]);
    }

    #[test]
    fn who_falls_behind_in_the_end_fell_behind_since_then() {
        let arrivals = arrivals(1_000);
        // All is read at once up to event 600, and nothing after it.
        let each = |i: u64| Readable { at_us: i * 1_000, position: at(&format!("{},{}", (i + 1).div_ceil(2), i.div_ceil(2))) };
        let stuck: Vec<Readable> = (0..=600).map(each).collect();
        let since = kept_up(&arrivals, &stuck, 100_000).expect("400 events wait in the end");
        // 100 ms bring 100 events; the looks are 9.99 ms apart, and that at 709.29 ms is the first to see more than 100 waiting.
        assert!((since - 0.709).abs() < 0.011, "{since}");
        // As much waited before: late, and not lost.
        let late = |i: u64| Readable { at_us: (i + 300) * 1_000, position: at(&format!("{},{}", (i + 1).div_ceil(2), i.div_ceil(2))) };
        let late: Vec<Readable> = (0..1_000).map(late).collect();
        assert_eq!(kept_up(&arrivals, &late, 1_000), None);
    }

    #[test]
    fn series_have_equal_bins() {
        let bins = Bins::new(1_000, 81_000);
        let freshness = bins.freshness([(1_000, 500), (1_999, 700), (80_999, 900), (99_000, 1_000)].into_iter());
        assert_eq!(freshness.len(), 2);
        assert_eq!((freshness[0].at_ms, freshness[0].p50_ms, freshness[0].max_ms), (0.0, 0.5, 0.7));
        assert_eq!((freshness[1].at_ms, freshness[1].max_ms), (79.0, 1.0), "what is later is in the last");
        let answers = bins.answers([(2_000, true, true), (2_001, false, true)].into_iter());
        assert_eq!((answers.len(), answers[1].checked, answers[1].wrong, answers[1].outdated), (80, 2, 1, 2));
        assert_eq!((answers[0].checked, answers[79].at_ms), (0, 79.0));
        // 200 reads in one bin: the 100th, the 198th and the last of them in order.
        let reads = bins.reads((1..=200).rev().map(|took_us| (3_500, took_us)));
        assert_eq!((reads.len(), reads[0].at_ms, reads[0].count), (1, 2.0, 200));
        assert_eq!((reads[0].p50_ms, reads[0].p99_ms, reads[0].max_ms), (0.1, 0.198, 0.2));
        let many = bins.freshness((1..=200).rev().map(|us| (3_500, us)));
        assert_eq!((many[0].at_ms, many[0].p50_ms, many[0].p99_ms, many[0].max_ms), (2.0, 0.1, 0.198, 0.2));
        // A span of nothing has bins of a microsecond, and a time before it is in the first.
        assert_eq!(Bins::new(7, 7).reads([(0, 1)].into_iter())[0].at_ms, 0.0);
    }
}
