//! One figure, with what it rests on.

use serde::{Deserialize, Serialize};

use crate::statistics::{REPEATS_BOOTSTRAP_MIN, bootstrap_median, median, t_interval};

/// A figure of one thing: `staleness_p50` of `kappa`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// A stable name.
    pub figure: String,
    /// That it is a figure of: a system, or one with its parameter (`batch, every 500 ms`). Empty where there is but one.
    pub of: String,
    /// The median over repeats, or the one value. None where there is none.
    pub value: Option<f64>,
    /// `ms`, `bytes`, `share`, `ratio`, `events`, `events_per_s`, `cpu_s_per_million_events`, `count`, or a currency.
    pub unit: String,
    /// Lower end of the 95 % interval; none where there is no interval, or none is needed.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Every repeat's value; empty where it is exact.
    pub values: Vec<f64>,
}

impl Figure {
    /// One that the same seed gives again: counted or simulated, not timed.
    pub fn exact(figure: &str, of: &str, unit: &str, value: f64) -> Self {
        Figure { figure: figure.into(), of: of.into(), value: Some(value), unit: unit.into(), low: None, high: None, values: vec![] }
    }

    /// A share of so many trials, with its 95 % interval by Wilson (1927).
    pub fn share(figure: &str, of: &str, hits: u64, trials: u64) -> Self {
        let (low, high) = wilson(hits, trials);
        let value = (trials > 0).then(|| hits as f64 / trials as f64);
        Figure { value, low: Some(low), high: Some(high), ..Figure::exact(figure, of, "share", 0.0) }
    }

    /// The median over repeats. Its interval is the wider of bootstrap and Student's t where there are few repeats, as
    /// [`crate::statistics`] has it for ratios; none with one repeat.
    pub fn measured(figure: &str, of: &str, unit: &str, values: &[f64], seed: u64) -> Self {
        let values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        let interval = (values.len() >= 2).then(|| {
            let (mut low, mut high) = bootstrap_median(&values, seed);
            if values.len() < REPEATS_BOOTSTRAP_MIN {
                let (t_low, t_high) = t_interval(&values);
                (low, high) = (low.min(t_low), high.max(t_high));
                // What is never negative is not so by an interval, either.
                low = if values.iter().all(|v| *v >= 0.0) { low.max(0.0) } else { low };
            }
            (low, high)
        });
        Figure {
            value: median(&values),
            low: interval.map(|i| i.0),
            high: interval.map(|i| i.1),
            values,
            ..Figure::exact(figure, of, unit, 0.0)
        }
    }
}

/// 95 % interval of a share by Wilson's score (E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA
/// 22, 1927): it keeps to 0 to 1, and says something of no hits at all.
fn wilson(hits: u64, trials: u64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (trials as f64, 1.959_964);
    let share = hits as f64 / n;
    let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let low = if hits == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if hits == trials { 1.0 } else { (middle + half).min(1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_as_in_the_textbook() {
        // Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662, and 0 of 20 gives 0 to 0.1611.
        let (low, high) = wilson(81, 263);
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        let (low, high) = wilson(0, 20);
        assert!(low == 0.0 && (high - 0.1611).abs() < 1e-4, "{high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn one_value_has_no_interval() {
        let one = Figure::measured("f", "", "ms", &[7.0], 1);
        assert_eq!((one.value, one.low, one.high), (Some(7.0), None, None));
        let none = Figure::measured("f", "", "ms", &[f64::NAN], 1);
        assert_eq!((none.value, none.values.len()), (None, 0));
        let three = Figure::measured("f", "", "ms", &[1.0, 2.0, 3.0], 1);
        // Student's t: 4.303 / sqrt 3 on either side of the mean, but no time is below nothing.
        assert!((three.high.unwrap() - (2.0 + 2.484)).abs() < 1e-3, "{three:?}");
        assert_eq!(three.low, Some(0.0));
    }
}
