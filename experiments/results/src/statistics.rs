//! Medians, and how sure a comparison of few repeats can be.
//!
//! Every line of the report compares architectures by **paired ratios**: repeat *i* of one against repeat *i* of another, which ran
//! within the same round. The interval given with a ratio is the wider of two:
//!
//! 1. the percentile bootstrap interval (95 %, 10,000 resamples of whole pairs, seeded) of the median ratio;
//! 2. with fewer than [`REPEATS_BOOTSTRAP_MIN`] repeats, Student's t interval (95 %) of the mean log ratio.
//!
//! Why the second: the bootstrap can never leave the range of what was seen. With *n* pairs that range covers the true median with
//! a probability of only 1 − 2^(1−n): 50 % for two repeats, 75 % for three, 94 % for five; from six on a 95 % interval exists
//! within it. So "the bootstrap interval excludes 1" means for three repeats no more than "better three times in a row", which
//! chance alone brings about once in eight. The t interval is honest there, at the price of an assumption (log ratios are roughly
//! normal). With one repeat there is no interval, hence never a winner.
//!
//! A measured quantity that is 0 somewhere has no log ratio; then the paired *differences* are judged by their t interval instead.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// From here on the bootstrap needs no help.
pub const REPEATS_BOOTSTRAP_MIN: usize = 6;
const RESAMPLES: usize = 10_000;
/// Differences smaller than this are of no use to anybody, however certain.
pub const TIE_MARGIN: f64 = 0.01;

/// The middle value, or the mean of the two in the middle; none of an empty slice. Values must not be NaN.
pub fn median(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| median_in_place(&mut values.to_vec()))
}

/// Sorts `values`, of which there must be one or more.
fn median_in_place(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// How one architecture stands against another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedRatio {
    /// Median of the ratios; infinite where most of the other's values are 0.
    pub ratio: f64,
    /// Of the ratio, 95 %; none with fewer than two pairs, or where a 0 allows no ratio.
    pub interval: Option<(f64, f64)>,
    /// The evidence says that it is more than the other, and by more than [`TIE_MARGIN`].
    pub above: bool,
}

/// Compares by pairs of (this, other), each ≥ 0; none without a pair.
pub fn paired_ratio(pairs: &[(f64, f64)], seed: u64) -> Option<PairedRatio> {
    let ratios: Vec<f64> = pairs.iter().map(|&(this, other)| ratio(this, other)).collect();
    let ratio = median(&ratios)?;
    if pairs.len() < 2 {
        return Some(PairedRatio { ratio, interval: None, above: false });
    }
    if pairs.iter().any(|&(this, other)| this <= 0.0 || other <= 0.0) {
        let differences: Vec<f64> = pairs.iter().map(|&(this, other)| this - other).collect();
        let (low, _) = t_interval(&differences);
        return Some(PairedRatio { ratio, interval: None, above: low > 0.0 && ratio > 1.0 + TIE_MARGIN });
    }
    let (mut low, mut high) = bootstrap_median(&ratios, seed);
    if pairs.len() < REPEATS_BOOTSTRAP_MIN {
        let logs: Vec<f64> = ratios.iter().map(|r| r.ln()).collect();
        let (t_low, t_high) = t_interval(&logs);
        low = low.min(t_low.exp());
        high = high.max(t_high.exp());
    }
    Some(PairedRatio { ratio, interval: Some((low, high)), above: low > 1.0 && ratio > 1.0 + TIE_MARGIN })
}

/// How far one level of a factor is from another, either way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedEffect {
    /// Median of the ratios; none where a pair has a 0.
    pub ratio: Option<f64>,
    /// Of the ratio, 95 %; none with fewer than two pairs, or without a ratio.
    pub interval: Option<(f64, f64)>,
    /// Median of the differences.
    pub difference: f64,
    /// The evidence says that there is a difference, and of more than [`TIE_MARGIN`].
    pub decided: bool,
}

/// Compares by pairs of (this, other), each ≥ 0; none without a pair.
pub fn paired_effect(pairs: &[(f64, f64)], seed: u64) -> Option<PairedEffect> {
    let differences: Vec<f64> = pairs.iter().map(|&(this, other)| this - other).collect();
    let difference = median(&differences)?;
    let flipped: Vec<(f64, f64)> = pairs.iter().map(|&(this, other)| (other, this)).collect();
    let found = paired_ratio(pairs, seed)?;
    let has_ratio = pairs.iter().all(|&(this, other)| this > 0.0 && other > 0.0);
    let below = match found.interval {
        Some((_, high)) => high < 1.0 && found.ratio < 1.0 - TIE_MARGIN,
        None => paired_ratio(&flipped, seed).is_some_and(|flipped| flipped.above),
    };
    Some(PairedEffect {
        ratio: Some(found.ratio).filter(|_| has_ratio),
        interval: found.interval,
        difference,
        decided: found.above || below,
    })
}

fn ratio(this: f64, other: f64) -> f64 {
    match (this == 0.0, other == 0.0) {
        (true, true) => 1.0,
        (false, true) => f64::INFINITY,
        _ => this / other,
    }
}

/// 95 % percentile bootstrap interval of the median. `values` must not be empty.
pub fn bootstrap_median(values: &[f64], seed: u64) -> (f64, f64) {
    assert!(!values.is_empty(), "a bootstrap needs values");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut resample = vec![0.0; values.len()];
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            resample.fill_with(|| values[rng.random_range(0..values.len())]);
            median_in_place(&mut resample)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let cut = RESAMPLES / 40;
    (medians[cut], medians[RESAMPLES - 1 - cut])
}

/// 95 % interval of the mean by Student's t. `values` must have two or more.
pub fn t_interval(values: &[f64]) -> (f64, f64) {
    let n = values.len();
    assert!(n >= 2, "one value has no spread");
    let mean = values.iter().sum::<f64>() / n as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    let half = t_quantile(n - 1) * (variance / n as f64).sqrt();
    (mean - half, mean + half)
}

/// The 97.5 % quantile of Student's t (any table of it; beyond 30 degrees the normal's expansion is good to three figures).
fn t_quantile(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101,
        2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    let z = 1.959_964_f64;
    TABLE.get(degrees - 1).copied().unwrap_or(z + (z.powi(3) + z) / (4.0 * degrees as f64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn one_repeat_proves_nothing() {
        let one = paired_ratio(&[(1000.0, 1.0)], 1).unwrap();
        assert_eq!(one, PairedRatio { ratio: 1000.0, interval: None, above: false });
        assert_eq!(paired_ratio(&[], 1), None);
    }

    #[test]
    fn three_in_a_row_is_not_enough_when_they_scatter() {
        // The bootstrap alone would give [1.02, 1.5] and name a winner.
        let scattered = paired_ratio(&[(1.02, 1.0), (1.1, 1.0), (1.5, 1.0)], 1).unwrap();
        assert!(!scattered.above, "{scattered:?}");
        assert!(scattered.interval.unwrap().0 < 1.0);
        let clear = paired_ratio(&[(1900.0, 3.0), (2100.0, 3.2), (2000.0, 2.9)], 1).unwrap();
        assert!(clear.above, "{clear:?}");
    }

    #[test]
    fn t_interval_as_in_the_textbook() {
        // Mean 2, standard deviation 1, n = 3: half-width 4.303 / sqrt 3.
        let (low, high) = t_interval(&[1.0, 2.0, 3.0]);
        assert!((low - (2.0 - 2.484)).abs() < 1e-3 && (high - 4.484).abs() < 1e-3, "{low} {high}");
        assert!((t_quantile(31) - 2.040).abs() < 4e-3 && (t_quantile(1000) - 1.962).abs() < 1e-3);
    }

    #[test]
    fn bootstrap_of_few_is_their_range_and_of_many_is_inside_it() {
        for n in 2..REPEATS_BOOTSTRAP_MIN {
            let values: Vec<f64> = (1..=n).map(|v| v as f64).collect();
            assert_eq!(bootstrap_median(&values, 7), (1.0, n as f64), "n = {n}");
        }
        let values: Vec<f64> = (1..=101).map(f64::from).collect();
        let (low, high) = bootstrap_median(&values, 7);
        // The order statistics of a 95 % interval of the median of 101 are the 41st and the 61st.
        assert!((36.0..=46.0).contains(&low) && (56.0..=66.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn zeros_are_judged_by_differences() {
        let never_wrong = paired_ratio(&[(0.2, 0.0), (0.21, 0.0), (0.19, 0.0)], 1).unwrap();
        assert!(never_wrong.above && never_wrong.interval.is_none() && never_wrong.ratio.is_infinite());
        let hardly = paired_ratio(&[(0.2, 0.0), (0.0, 0.0), (0.0, 0.0)], 1).unwrap();
        assert!(!hardly.above && hardly.ratio == 1.0);
        assert!(!paired_ratio(&[(0.0, 0.0), (0.0, 0.0)], 1).unwrap().above);
    }

    #[test]
    fn an_effect_is_told_either_way() {
        let down = paired_effect(&[(1.0, 4.0), (1.1, 4.0), (0.9, 4.0)], 1).unwrap();
        assert_eq!((down.ratio, down.difference, down.decided), (Some(0.25), -3.0, true));
        let up = paired_effect(&[(4.0, 1.0), (4.0, 1.1), (4.0, 0.9)], 1).unwrap();
        assert!(up.decided && up.ratio == Some(4.0) && up.interval.unwrap().0 > 1.0);
        let alike = paired_effect(&[(1.0, 1.1), (1.1, 1.0), (1.0, 1.0)], 1).unwrap();
        assert!(!alike.decided);
        // A sure half per cent is a tie in both directions.
        assert!(!paired_effect(&[(1.0, 1.005); 10], 1).unwrap().decided);
        assert!(paired_effect(&[(1.0, 1.02); 10], 1).unwrap().decided);
        // One pair proves nothing.
        assert!(!paired_effect(&[(1.0, 9.0)], 1).unwrap().decided);
        assert_eq!(paired_effect(&[], 1), None);
    }

    #[test]
    fn an_effect_from_nothing_has_no_ratio() {
        let from_none = paired_effect(&[(5.0, 0.0), (5.1, 0.0), (4.9, 0.0)], 1).unwrap();
        assert_eq!((from_none.ratio, from_none.interval, from_none.difference), (None, None, 5.0));
        assert!(from_none.decided);
        let to_none = paired_effect(&[(0.0, 5.0), (0.0, 5.1), (0.0, 4.9)], 1).unwrap();
        assert!(to_none.decided && to_none.difference == -5.0);
        assert!(!paired_effect(&[(0.0, 0.0), (0.0, 0.0)], 1).unwrap().decided);
    }

    #[test]
    fn a_certain_half_per_cent_is_a_tie() {
        assert!(!paired_ratio(&[(1.005, 1.0); 10], 1).unwrap().above);
        assert!(paired_ratio(&[(1.05, 1.0); 10], 1).unwrap().above);
    }

    /// What the module says of the range of three: about one in four of pure noise looks like a winner to the bootstrap alone (two
    /// sides), and about one in twenty to the whole procedure.
    #[test]
    fn noise_is_seldom_called_a_winner() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let noise = |rng: &mut ChaCha8Rng| (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>() * 0.1;
        let (mut bootstrap_alone, mut called) = (0, 0);
        for _ in 0..400 {
            let pairs: Vec<(f64, f64)> = (0..3).map(|_| (noise(&mut rng).exp(), 1.0)).collect();
            let flipped: Vec<(f64, f64)> = pairs.iter().map(|&(a, b)| (b, a)).collect();
            bootstrap_alone += usize::from(pairs.iter().all(|p| p.0 > 1.0) || pairs.iter().all(|p| p.0 < 1.0));
            called += usize::from(paired_ratio(&pairs, 1).unwrap().above || paired_ratio(&flipped, 1).unwrap().above);
        }
        assert!((60..140).contains(&bootstrap_alone), "{bootstrap_alone} of 400");
        assert!(called < 40, "{called} of 400");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_interval_holds_the_ratio_and_repeats_with_the_seed(
            pairs in prop::collection::vec((0.01f64..1e6, 0.01f64..1e6), 2..9),
            seed in any::<u64>(),
        ) {
            let found = paired_ratio(&pairs, seed).unwrap();
            let (low, high) = found.interval.unwrap();
            prop_assert!(low <= found.ratio && found.ratio <= high, "{:?}", found);
            prop_assert_eq!(found, paired_ratio(&pairs, seed).unwrap());
        }

        #[test]
        fn never_both_above_each_other(pairs in prop::collection::vec((0f64..1e3, 0f64..1e3), 2..9)) {
            let flipped: Vec<_> = pairs.iter().map(|&(a, b)| (b, a)).collect();
            let above = |p: &[(f64, f64)]| paired_ratio(p, 3).unwrap().above;
            prop_assert!(!(above(&pairs) && above(&flipped)));
        }

        #[test]
        fn the_unit_does_not_matter(pairs in prop::collection::vec((0.01f64..1e3, 0.01f64..1e3), 2..7)) {
            let scaled: Vec<_> = pairs.iter().map(|&(a, b)| (a * 1024.0, b * 1024.0)).collect();
            prop_assert_eq!(paired_ratio(&pairs, 3).unwrap(), paired_ratio(&scaled, 3).unwrap());
        }
    }
}
