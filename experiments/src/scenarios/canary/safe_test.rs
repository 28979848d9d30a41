//! A test of two shares that may be looked at after every pair of reads: R. Turner, A. Ly, P. Grünwald, "Generic E-variables for exact sequential
//! k-sample tests that allow for optional stopping" (2021; JSPI 2024).
//!
//! Before each pair (one read of each version) two shares `a` and `b` are staked, from what was seen so far. With `m = (a + b) / 2`, the
//! pair's rewards `x` and `y` multiply the evidence by `p_a(x) p_b(y) / (p_m(x) p_m(y))`. Where both versions have one true share `t`, the
//! factor's mean is `u v` with `u = t a/m + (1-t) (1-a)/(1-m)`, `v` likewise with `b`; since `a + b = 2m`, `u + v = 2`, so `u v <= 1`. With
//! `a > b`, `u` grows with the first version's share and `v` falls with the second's: so the mean stays at most 1 for all shares of which the
//! second is not less than the first. By Ville's inequality the evidence therefore reaches `1/α` with a probability of at most `α`, whenever
//! one looks, unless the second version really is worse.

/// Evidence that the second of two versions has the lower share of rewards.
#[derive(Debug, Clone)]
pub struct SafeTest {
    /// Logarithm of the evidence.
    log_evidence: f64,
    /// Rewards and reads of each version so far, with half a read of either kind before the first (Krichevsky and Trofimov).
    first: (f64, f64),
    second: (f64, f64),
}

impl Default for SafeTest {
    fn default() -> Self {
        SafeTest { log_evidence: 0.0, first: (0.5, 1.0), second: (0.5, 1.0) }
    }
}

impl SafeTest {
    /// Takes the rewards of one read of each version.
    pub fn pair(&mut self, first: bool, second: bool) {
        let (a, b) = (self.first.0 / self.first.1, self.second.0 / self.second.1);
        // Nothing is staked on the second being better: that is no evidence of harm.
        if a > b {
            let middle = (a + b) / 2.0;
            let likely = |share: f64, reward: bool| if reward { share } else { 1.0 - share };
            self.log_evidence += (likely(a, first) * likely(b, second)).ln() - (likely(middle, first) * likely(middle, second)).ln();
        }
        self.first = (self.first.0 + f64::from(u8::from(first)), self.first.1 + 1.0);
        self.second = (self.second.0 + f64::from(u8::from(second)), self.second.1 + 1.0);
    }

    /// Whether the second version is worse, with a probability of error of at most `alpha` over all looks together.
    pub fn decided(&self, alpha: f64) -> bool {
        self.log_evidence >= -alpha.ln()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The mean of one pair's factor, over the four outcomes.
    fn mean_factor(test: &SafeTest, first: f64, second: f64) -> f64 {
        let outcomes = [(true, true), (true, false), (false, true), (false, false)];
        let chance = |share: f64, reward: bool| if reward { share } else { 1.0 - share };
        let factor = |(x, y)| {
            let mut after = test.clone();
            after.pair(x, y);
            chance(first, x) * chance(second, y) * (after.log_evidence - test.log_evidence).exp()
        };
        outcomes.into_iter().map(factor).sum()
    }

    proptest! {
        /// What the module says, for any past: under the null the evidence does not grow on the mean.
        #[test]
        fn the_evidence_is_no_more_than_fair(
            past in prop::collection::vec(any::<(bool, bool)>(), 0..40),
            a in 0.0f64..=1.0,
            better in 0.0f64..=1.0,
        ) {
            let mut test = SafeTest::default();
            past.into_iter().for_each(|(x, y)| test.pair(x, y));
            let second = a + (1.0 - a) * better;
            prop_assert!(mean_factor(&test, a, second) <= 1.0 + 1e-12);
        }
    }

    #[test]
    fn harm_is_found() {
        let mut test = SafeTest::default();
        let pairs = (1..1000).find(|_| {
            test.pair(true, false);
            test.decided(0.05)
        });
        // Each pair multiplies the evidence by at most 4.
        assert!(matches!(pairs, Some(4..10)), "{pairs:?}");
    }
}
