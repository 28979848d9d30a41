//! `rate`: the highest rate that each architecture sustains, by search. Sustained, as Karimov and Theodolite define it, means: no event is
//! left over, and the lag does not grow: after warm-up its slope is at most 1 % of the load. The slope is Theil's and Sen's (the median of the
//! slopes between all pairs of points), which a stall of a moment does not turn.
//!
//! H. Theil, A rank-invariant method of linear and polynomial regression analysis (1950); P. K. Sen, Estimates of the regression coefficient
//! based on Kendall's tau (1968).

use std::time::Duration;

use twopath_results::result::{KeptUp, Outcome, RunResult};
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Line, Point, Table, differs};
use twopath_results::statistics::median;

use super::compare::CompareSettings;
use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "rate",
    asks: "Which rate does each architecture sustain, and what does a given load need?",
    says: "Computing everything twice costs throughput: on the same cores, Lambda sustains less than Kappa.",
    source: "J. Karimov et al., Benchmarking Distributed Stream Data Processing Systems (ICDE 2018), for what is sustained; S. Henning, \
             W. Hasselbring, Theodolite (2021), for the slope of the lag; J. Kreps (2014), for the claim",
    confirmed_by: "the highest rates found, Lambda's against Kappa's of the same search: the interval of the paired ratio lies below 1 (or above)",
    repeats: (3, 1),
    run,
};

/// The lag may grow by this share of the load.
const SLOPE_MAX: f64 = 0.01;
/// Of the events' time, what is left out as warm-up.
const WARM_UP: f64 = 1.0 / 3.0;

/// One rate that was tried.
struct Tried {
    rate: f64,
    sustained: bool,
    slope: f64,
    cores: f64,
}

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let architectures: &[&str] = lab.pick(&["lambda", "lambda-sql", "kappa", "kappa-sql"], &["lambda", "kappa"]);
    let mut found: Vec<(&str, Vec<f64>)> = architectures.iter().map(|&name| (name, vec![])).collect();
    let mut rows: Vec<Vec<Cell>> = vec![];
    let mut cores: Vec<Line> = architectures.iter().map(|&name| Line { name: name.into(), points: vec![] }).collect();
    for repeat in 0..lab.repeats {
        for (index, (name, highest)) in found.iter_mut().enumerate() {
            let (best, tried) = search(lab, notes, name, repeat, highest.last().copied())?;
            for Tried { rate, sustained, slope, cores: busy } in tried {
                let told = if sustained { "sustained" } else { "not sustained" };
                let repeat = f64::from(repeat + 1);
                rows.push(vec![
                    (*name).into(),
                    (repeat, "count").into(),
                    (rate, "events_per_s").into(),
                    told.into(),
                    (slope, "share").into(),
                ]);
                if sustained {
                    cores[index].points.push(Point::at(rate, busy));
                }
            }
            highest.push(best);
        }
    }
    for (name, highest) in &found {
        notes.figures.push(Figure::measured("highest_rate", name, "events_per_s", highest, lab.seed));
        let (least, most) = highest.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), &v| (least.min(v), most.max(v)));
        if highest.len() > 1 && least > 0.0 {
            notes.figures.push(Figure::exact("search_repeats_within", name, "share", most / least - 1.0));
        }
    }
    for line in &mut cores {
        line.points.sort_by(|a, b| a.x.total_cmp(&b.x));
        line.points.dedup_by_key(|point| point.x.to_bits());
    }
    notes.charts.push(Chart {
        title: "Cores that a load keeps busy".into(),
        hint: "At every rate that was tried and sustained.".into(),
        x: Axis::log("events a second", "events_per_s"),
        y: Axis::linear("", "number"),
        lines: cores,
    });
    notes.tables.push(Table {
        title: "What was tried".into(),
        columns: ["system", "search", "rate", "", "slope of the lag, of the load"].map(String::from).to_vec(),
        rows,
    });
    let rates = |wanted: &str| found.iter().find(|(name, _)| *name == wanted).map_or(&[][..], |(_, rates)| rates.as_slice());
    let paired: Vec<(f64, f64)> =
        rates("lambda").iter().copied().zip(rates("kappa").iter().copied()).filter(|p| p.0 > 0.0 && p.1 > 0.0).collect();
    let told = |name| notes.figure("highest_rate", name).and_then(|f| f.value).unwrap_or(0.0);
    let because = format!("Lambda sustained {:.0} events/s, Kappa {:.0}.", told("lambda"), told("kappa"));
    notes.conclude(differs(&paired, false, lab.seed), because);
    Ok(())
}

/// Doubles the rate until it is too high (or halves it until it is not), then halves the ratio between the highest that was sustained and the
/// lowest that was not. A search after another one begins with what that found, and goes in steps of the precision: each rate is tried anew,
/// and where the two agree that is soon done.
///
/// Near what a system sustains, some tries at a rate succeed and others do not: the majority of three decides. While a first search only
/// doubles, one that succeeds is enough.
fn search(lab: &Lab, notes: &mut Notes, name: &str, repeat: u32, before: Option<f64>) -> Result<(f64, Vec<Tried>), ScenarioError> {
    let (most_rates, most_attempts, precision) = lab.pick((14, 3, 1.08), (2, 1, 2.0));
    let before = before.filter(|&rate| rate > 0.0);
    let (mut rate, first_step) = before.map_or((lab.pick(200_000.0, 5_000.0), 2.0), |rate| (rate, precision));
    let (mut low, mut high): (Option<f64>, Option<f64>) = (None, None);
    let mut tried = vec![];
    for number in 0..most_rates {
        let doubling = before.is_none() && high.is_none();
        let mut votes = Votes { of: most_attempts, ..Votes::default() };
        let sustained = loop {
            let one = attempt(lab, notes, (name, repeat, votes.cast()), rate)?;
            votes.add(one.sustained);
            tried.push(one);
            if let Some(decided) = if doubling && votes.yes > 0 { Some(true) } else { votes.majority() } {
                break decided;
            }
        };
        *(if sustained { &mut low } else { &mut high }) = Some(rate);
        // What is far from where it was is found by doubling.
        let step = if number < 2 { first_step } else { 2.0 };
        let next: f64 = match (low, high) {
            // Rates are whole, so that their ratio can be a little off.
            (Some(low), Some(high)) if high / low <= precision * 1.001 => break,
            (Some(low), Some(high)) => (low * high).sqrt(),
            (Some(low), None) => low * step,
            (None, _) => rate / step,
        };
        rate = next.round();
    }
    Ok((low.unwrap_or(0.0), tried))
}

/// What the tries at one rate say, of an odd number that there may be.
#[derive(Default)]
struct Votes {
    of: u32,
    yes: u32,
    no: u32,
}

impl Votes {
    fn cast(&self) -> u32 {
        self.yes + self.no
    }

    fn add(&mut self, sustained: bool) {
        *(if sustained { &mut self.yes } else { &mut self.no }) += 1;
    }

    /// What more than half of all say; `None` while it is open.
    fn majority(&self) -> Option<bool> {
        [(self.yes, true), (self.no, false)].into_iter().find(|(votes, _)| 2 * votes > self.of).map(|(_, decided)| decided)
    }
}

/// One run at one rate: the `number`th try of a search.
fn attempt(lab: &Lab, notes: &mut Notes, (name, repeat, number): (&str, u32, u32), rate: f64) -> Result<Tried, ScenarioError> {
    let duration = lab.pick(Duration::from_secs(6), Duration::from_millis(600));
    let settings = CompareSettings {
        deploys: false,
        repeats: 1,
        read_rate: 50.0,
        full_read_rate: 1.0,
        seed: lab.seed.wrapping_add(u64::from(repeat * 3 + number)),
        ..lab.settings(&[name], lab.pick(100_000, 2_000), rate, duration)
    };
    let left_over = notes.events_never_covered;
    let result = match lab.compare(notes, &format!("{name}-{repeat}-{rate}-{number}"), settings) {
        Ok(result) => result,
        // Whoever goes under at a rate does not sustain it.
        Err(ScenarioError::Crashed { message }) => {
            notes.findings.push(format!("At {rate:.0} events/s {message}"));
            return Ok(Tried { rate, sustained: false, slope: 1.0, cores: 0.0 });
        }
        Err(other) => return Err(other),
    };
    // An event that comes too late at a rate that is too high is no loss.
    notes.events_never_covered = left_over;
    let run = &result.runs[0];
    let slope = slope(run);
    let covered = run.events_never_covered == 0 && run.kept_up == KeptUp::KeptUp;
    let sustained = run.outcome == Outcome::Ok && covered && slope <= SLOPE_MAX;
    let busy: Vec<f64> = run.series.cpu.iter().filter(|bin| bin.at_ms >= 0.0 && bin.at_ms < run.duration_ms).map(|bin| bin.cores).collect();
    Ok(Tried { rate, sustained, slope, cores: busy.iter().sum::<f64>() / busy.len().max(1) as f64 })
}

/// How fast the lag grows after warm-up, as a share of the load: an event that is later by one millisecond for each millisecond that passes
/// finds the whole load added to the lag. Theil's and Sen's, over the medians of the freshness.
fn slope(run: &RunResult) -> f64 {
    let end = run.series.freshness.last().map_or(0.0, |bin| bin.at_ms);
    let points: Vec<(f64, f64)> =
        run.series.freshness.iter().filter(|bin| bin.at_ms >= WARM_UP * end).map(|bin| (bin.at_ms, bin.p50_ms)).collect();
    median_slope(&points)
}

/// The median of the slopes between all pairs of points; 0 of fewer than two.
fn median_slope(points: &[(f64, f64)]) -> f64 {
    let slopes: Vec<f64> = points
        .iter()
        .enumerate()
        .flat_map(|(index, a)| points[index + 1..].iter().map(move |b| (b.1 - a.1) / (b.0 - a.0)))
        .filter(|slope| slope.is_finite())
        .collect();
    median(&slopes).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_that_grows_with_time_has_its_slope() {
        let growing: Vec<(f64, f64)> = (0..20).map(|i| (f64::from(i) * 50.0, 3.0 + f64::from(i) * 50.0 * 0.25)).collect();
        assert!((median_slope(&growing) - 0.25).abs() < 1e-12);
        assert_eq!(median_slope(&[(0.0, 5.0), (1.0, 5.0)]), 0.0);
        assert_eq!(median_slope(&[]), 0.0);
    }

    #[test]
    fn a_stall_that_is_worked_off_turns_no_slope() {
        let mut flat: Vec<(f64, f64)> = (0..40).map(|i| (f64::from(i) * 50.0, 2.0)).collect();
        for (behind, point) in [300.0, 250.0, 200.0, 150.0, 100.0, 50.0].into_iter().zip(&mut flat[30..]) {
            point.1 += behind;
        }
        assert!(median_slope(&flat).abs() < 0.001);
    }

    #[test]
    fn two_of_three_decide() {
        let mut votes = Votes { of: 3, ..Votes::default() };
        votes.add(false);
        votes.add(true);
        assert_eq!((votes.majority(), votes.cast()), (None, 2));
        votes.add(true);
        assert_eq!(votes.majority(), Some(true));
        let mut once = Votes { of: 1, ..Votes::default() };
        once.add(false);
        assert_eq!(once.majority(), Some(false));
    }
}
