//! Thompson sampling of two versions: W. R. Thompson, "On the likelihood that one unknown probability exceeds another in view of the evidence of
//! two samples" (Biometrika 25, 1933); O. Chapelle, L. Li, "An empirical evaluation of Thompson sampling" (NIPS 2011), also for answering
//! a batch of reads before the beliefs are updated.

use rand::Rng;
use rand_distr::{Beta, Distribution};

/// What is believed of each version's share of rewards: a beta distribution, uniform at first.
#[derive(Debug, Clone)]
pub struct Thompson {
    /// Reads with and without a reward, one of each beforehand.
    arms: [(f64, f64); 2],
}

impl Default for Thompson {
    fn default() -> Self {
        Thompson { arms: [(1.0, 1.0); 2] }
    }
}

impl Thompson {
    /// The version that the next reads are given: each by the chance that it is the better one.
    pub fn choose(&self, rng: &mut impl Rng) -> usize {
        let draw = |(with, without): (f64, f64), rng: &mut _| Beta::new(with, without).expect("both are 1 or more").sample(rng);
        let (first, second) = (draw(self.arms[0], rng), draw(self.arms[1], rng));
        usize::from(second > first)
    }

    /// Takes what a read of a version gave.
    pub fn learn(&mut self, version: usize, reward: bool) {
        let (with, without) = &mut self.arms[version];
        if reward { *with += 1.0 } else { *without += 1.0 }
    }

    /// The chance that the second version is the better one, by the normal approximation of both beliefs.
    pub fn second_is_better(&self) -> f64 {
        let belief = |(with, without): (f64, f64)| {
            let n = with + without;
            (with / n, with * without / (n * n * (n + 1.0)))
        };
        let ((first, v1), (second, v2)) = (belief(self.arms[0]), belief(self.arms[1]));
        normal((second - first) / (v1 + v2).sqrt())
    }
}

/// The standard normal distribution, to 7e-8 (M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.2.17).
pub fn normal(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * series;
    if z > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_normal_as_in_the_table() {
        for (z, p) in [(0.0, 0.5), (1.0, 0.841_344_7), (1.959_964, 0.975), (-1.644_854, 0.05), (3.0, 0.998_650_1)] {
            assert!((normal(z) - p).abs() < 1e-6, "{z}: {}", normal(z));
        }
    }

    #[test]
    fn the_better_version_gets_nearly_all_reads() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut bandit = Thompson::default();
        let mut reads = [0; 2];
        for _ in 0..4_000 {
            let version = bandit.choose(&mut rng);
            reads[version] += 1;
            bandit.learn(version, rng.random::<f64>() < [0.7, 0.9][version]);
        }
        assert!(reads[1] > 3_500, "{reads:?}");
        // The worse version is read too seldom for more certainty than that.
        assert!(bandit.second_is_better() > 0.95);
    }
}
