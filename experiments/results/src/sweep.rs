//! Figures along a parameter, and where two systems change places.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::report::questions::{hash, questions};
use super::result::{BreakEven, CompareResult, Estimate, KeptUp, Outcome, Sweep, SweepPoint};
use super::statistics::{median, paired_effect};

/// Figures whose break-evens are told: those that a choice rests on.
pub const DECIDING: [&str; 8] =
    ["freshness_p99", "query_latency_p99", "time_to_correct", "freshness_dip", "extra_storage", "cpu_per_million", "rss", "money_month"];
const RESAMPLES: usize = 2_000;

/// Makes a sweep of comparisons that differ in one parameter, whose value is given with each. Points are put in order.
pub fn sweep(parameter: &str, comparisons: &[(f64, &CompareResult)]) -> Sweep {
    let mut comparisons = comparisons.to_vec();
    comparisons.sort_by(|a, b| a.0.total_cmp(&b.0));
    let points: Vec<SweepPoint> = comparisons.iter().map(|(value, result)| point(*value, result)).collect();
    let seed = comparisons.first().map_or(0, |(_, result)| result.provenance.seed);
    let mut names: Vec<&String> = Vec::new();
    for (_, result) in &comparisons {
        result.settings.systems.iter().for_each(|system| {
            if !names.contains(&&system.name) {
                names.push(&system.name);
            }
        });
    }
    let mut break_evens = Vec::new();
    for figure in DECIDING {
        for (index, a) in names.iter().enumerate() {
            for b in &names[index + 1..] {
                break_evens.extend(break_even(&points, figure, a, b, seed));
            }
        }
    }
    Sweep { parameter: parameter.into(), points, break_evens }
}

fn point(value: f64, result: &CompareResult) -> SweepPoint {
    let figures = questions(result).into_iter().map(|question| (question.id, question.by_architecture)).collect();
    let behind = |name: &str| {
        let ok = || result.runs.iter().filter(|run| run.system == name && run.outcome == Outcome::Ok);
        2 * ok().filter(|run| run.kept_up != KeptUp::KeptUp).count() > ok().count()
    };
    let fell_behind = result.settings.systems.iter().map(|system| system.name.clone()).filter(|name| behind(name)).collect();
    SweepPoint { value, figures, fell_behind }
}

/// One point of two lines: the parameter, and the pairs of the two systems' figures, by repeat.
type Pairs = (f64, Vec<(f64, f64)>);

/// Where the lines cross; none where they do not, or where no difference is decided on both sides of it.
fn break_even(points: &[SweepPoint], figure: &str, a: &str, b: &str, seed: u64) -> Option<BreakEven> {
    let estimate = |point: &SweepPoint, name: &str| -> Option<Estimate> { point.figures.get(figure)?.get(name).cloned() };
    let pairs: Vec<Pairs> = points
        .iter()
        .filter_map(|point| {
            let (a, b) = (estimate(point, a)?, estimate(point, b)?);
            let both = a.values.iter().zip(&b.values).filter_map(|(a, b)| Some(((*a)?, (*b)?)));
            let both: Vec<(f64, f64)> = both.filter(|(a, b)| *a > 0.0 && *b > 0.0).collect();
            (!both.is_empty()).then_some((point.value, both))
        })
        .collect();
    let seed = seed ^ hash(figure) ^ hash(a) ^ hash(b).rotate_left(1);
    let line: Vec<(f64, f64)> = pairs.iter().map(|(value, pairs)| (*value, log_ratio(pairs))).collect();
    let (index, at) = crossing(&line)?;
    let decided = |side: &[Pairs], above: bool| {
        let sides = side.iter().filter_map(|(_, pairs)| paired_effect(pairs, seed));
        sides.into_iter().any(|found| found.decided && (found.ratio > Some(1.0)) == above)
    };
    let a_is_more_before = line[index].1 > 0.0;
    if !decided(&pairs[..=index], a_is_more_before) || !decided(&pairs[index + 1..], !a_is_more_before) {
        return None;
    }
    let (low, high) = interval(&pairs, a_is_more_before, seed);
    let (below, above) = if a_is_more_before { (b, a) } else { (a, b) };
    Some(BreakEven { figure: figure.into(), below: below.into(), above: above.into(), at, low, high })
}

fn log_ratio(pairs: &[(f64, f64)]) -> f64 {
    let ratios: Vec<f64> = pairs.iter().map(|(a, b)| (a / b).ln()).collect();
    median(&ratios).unwrap_or(0.0)
}

/// The first change of sign along a line of (parameter, log ratio): the index of the point before it, and the parameter there, on a
/// straight line between the logarithms of the parameter.
fn crossing(line: &[(f64, f64)]) -> Option<(usize, f64)> {
    line.windows(2).enumerate().find_map(|(index, pair)| {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
        if y0 == 0.0 || y0.signum() == y1.signum() || x0 <= 0.0 {
            return None;
        }
        let share = y0 / (y0 - y1);
        Some((index, (x0.ln() + share * (x1.ln() - x0.ln())).exp()))
    })
}

/// 95 % of the bootstrap over repeats. Where a resample's lines do not cross between the points, they cross before the first or beyond the
/// last; an end that may lie there is none.
fn interval(pairs: &[Pairs], more_before: bool, seed: u64) -> (Option<f64>, Option<f64>) {
    if pairs.iter().any(|(_, pairs)| pairs.len() < 2) {
        return (None, None);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut found: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let line: Vec<(f64, f64)> = pairs
                .iter()
                .map(|(value, pairs)| {
                    let resample: Vec<(f64, f64)> = pairs.iter().map(|_| pairs[rng.random_range(0..pairs.len())]).collect();
                    (*value, log_ratio(&resample))
                })
                .collect();
            match crossing(&line) {
                Some((_, at)) => at,
                None if (line[0].1 > 0.0) == more_before => f64::INFINITY,
                None => 0.0,
            }
        })
        .collect();
    found.sort_by(f64::total_cmp);
    let cut = RESAMPLES / 40;
    let (low, high) = (found[cut], found[RESAMPLES - 1 - cut]);
    (Some(low).filter(|low| *low > 0.0), Some(high).filter(|high| high.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample;

    /// Time to right grows with the history in kappa, and is the same in lambda: they cross at `cross`.
    fn comparison(history: f64, cross: f64, noise: f64) -> CompareResult {
        let mut result = sample();
        for run in &mut result.runs {
            let wobble = 1.0 + noise * (f64::from(run.repeat) - 1.0);
            run.time_to_correct_ms = Some(if run.system == "kappa" { 1000.0 * history / cross * wobble } else { 1000.0 });
        }
        result
    }

    fn swept(cross: f64, noise: f64) -> Sweep {
        let results: Vec<(f64, CompareResult)> = [3e7, 1e6, 3e6, 1e7].map(|history| (history, comparison(history, cross, noise))).into();
        sweep("history", &results.iter().map(|(value, result)| (*value, result)).collect::<Vec<_>>())
    }

    fn of_kappa_and_lambda(sweep: &Sweep) -> Option<&BreakEven> {
        sweep.break_evens.iter().find(|b| b.figure == "time_to_correct" && [&b.below, &b.above] == ["kappa", "lambda"])
    }

    #[test]
    fn a_planted_crossing_is_found() {
        for cross in [2e6, 5e6, 2.5e7] {
            let sweep = swept(cross, 0.05);
            assert!(sweep.points.is_sorted_by_key(|point| point.value));
            let found = of_kappa_and_lambda(&sweep).unwrap();
            assert!((found.at / cross - 1.0).abs() < 1e-6, "{found:?}");
            let (low, high) = (found.low.unwrap(), found.high.unwrap());
            assert!(low < cross && cross < high && low > 0.9 * cross && high < 1.1 * cross, "{found:?}");
        }
    }

    #[test]
    fn no_crossing_is_told_where_lines_do_not_cross_or_nothing_is_decided() {
        assert_eq!(of_kappa_and_lambda(&swept(1e9, 0.05)), None);
        assert_eq!(of_kappa_and_lambda(&swept(5e6, 0.98)), None, "the repeats scatter too much to decide");
    }

    #[test]
    fn an_end_that_may_lie_beyond_the_points_is_open() {
        let line = |scatter: f64| vec![(1.0, vec![(1.0, 2.0); 3]), (10.0, vec![(1.1, 1.0), (1.1, 1.0), (scatter, 1.0)])];
        assert_eq!(interval(&line(0.2), false, 3).1, None, "a third of the repeats has not crossed at the last point");
        assert!(interval(&line(1.2), false, 3).1.is_some());
        assert_eq!(interval(&[(1.0, vec![(1.0, 2.0)])], false, 3), (None, None), "one repeat has no interval");
    }

    #[test]
    fn who_fell_behind_stands_at_the_point() {
        let mut result = sample();
        for run in result.runs.iter_mut().filter(|run| run.system == "batch" && run.repeat < 2) {
            run.kept_up = KeptUp::FellBehind { since_s: 1.0 };
        }
        assert_eq!(sweep("rate", &[(1.0, &result)]).points[0].fell_behind, ["batch"]);
    }
}
