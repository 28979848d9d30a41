//! One trial of a new version, by A/B test, by bandit, and by a test of a fixed size that is looked at all the time.

use rand::{Rng, RngExt};

use super::safe_test::SafeTest;
use super::thompson::{Thompson, normal};

/// The probability of error that is allowed.
pub const ALPHA: f64 = 0.05;
/// A bandit's belief at which it ends.
const SURE: f64 = 0.99;
/// Reads that are answered before a bandit learns from them, and a naive test is looked at.
const BATCH: u64 = 10;
/// Reads of each version before the naive test is looked at: below, its approximation is not even meant to hold.
const NAIVE_FIRST: f64 = 30.0;

/// How the readers are split, and who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Half and half; the test that may be looked at any time.
    AbTest,
    /// Thompson sampling.
    Bandit,
    /// Half and half; a z-test of a fixed size, looked at all the time.
    Naive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The new version is worse: readers go back to the old one.
    Stop,
    /// It is better: readers go to it.
    Switch,
    /// Neither was shown: readers stay on the old one.
    Neither,
}

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    pub decision: Decision,
    /// Reads until then.
    pub reads: u64,
    /// Rewards that were missed against the better version, over all reads of the trial's length; known only where the true shares are.
    pub regret: f64,
}

/// Runs a trial of at most `reads` reads. `reward` answers one read by a version (0 the old one, 1 the new one); `shares` are the true ones,
/// for the regret.
pub fn trial<R: Rng>(method: Method, reads: u64, shares: [f64; 2], rng: &mut R, mut reward: impl FnMut(usize, &mut R) -> bool) -> Outcome {
    let mut split = Split::default();
    let mut served = [0u64; 2];
    let mut decided = None;
    let mut done = 0;
    while done < reads && decided.is_none() {
        let versions = split.next(method, rng);
        let rewards = versions.iter().map(|&version| reward(version, rng)).collect::<Vec<_>>();
        versions.iter().for_each(|&version| served[version] += 1);
        done += versions.len() as u64;
        decided = split.learn(method, &versions, &rewards, done);
    }
    let decision = decided.unwrap_or(Decision::Neither);
    served[usize::from(decision == Decision::Switch)] += reads.saturating_sub(done);
    let best = shares[0].max(shares[1]);
    let regret = (0..2).map(|version| (best - shares[version]) * served[version] as f64).sum();
    Outcome { decision, reads: done, regret }
}

/// What has been seen.
#[derive(Default)]
struct Split {
    harm: SafeTest,
    gain: SafeTest,
    bandit: Thompson,
    /// Rewards and reads by version.
    seen: [(f64, f64); 2],
}

impl Split {
    /// Which versions the next reads are given.
    fn next(&self, method: Method, rng: &mut impl Rng) -> Vec<usize> {
        match method {
            Method::Bandit => vec![self.bandit.choose(rng); BATCH as usize],
            Method::AbTest | Method::Naive if rng.random::<bool>() => vec![0, 1],
            Method::AbTest | Method::Naive => vec![1, 0],
        }
    }

    fn learn(&mut self, method: Method, versions: &[usize], rewards: &[bool], reads: u64) -> Option<Decision> {
        for (&version, &reward) in versions.iter().zip(rewards) {
            self.seen[version].0 += f64::from(u8::from(reward));
            self.seen[version].1 += 1.0;
            self.bandit.learn(version, reward);
        }
        match method {
            Method::AbTest => {
                let of = |wanted: usize| rewards[versions.iter().position(|&v| v == wanted).expect("a pair has both")];
                self.harm.pair(of(0), of(1));
                self.gain.pair(of(1), of(0));
                match (self.harm.decided(ALPHA), self.gain.decided(ALPHA)) {
                    (true, _) => Some(Decision::Stop),
                    (_, true) => Some(Decision::Switch),
                    _ => None,
                }
            }
            Method::Bandit => match self.bandit.second_is_better() {
                better if better > SURE => Some(Decision::Switch),
                better if better < 1.0 - SURE => Some(Decision::Stop),
                _ => None,
            },
            Method::Naive if reads.is_multiple_of(BATCH) && self.seen[0].1 >= NAIVE_FIRST => {
                let z = z(self.seen);
                // One-sided either way, as the others are.
                match () {
                    () if normal(z) < ALPHA => Some(Decision::Stop),
                    () if normal(-z) < ALPHA => Some(Decision::Switch),
                    () => None,
                }
            }
            Method::Naive => None,
        }
    }
}

/// The difference of two shares in standard errors, by their pooled share.
fn z([(hits_a, n_a), (hits_b, n_b)]: [(f64, f64); 2]) -> f64 {
    let pooled = (hits_a + hits_b) / (n_a + n_b);
    let error = (pooled * (1.0 - pooled) * (1.0 / n_a + 1.0 / n_b)).sqrt();
    if error > 0.0 { (hits_b / n_b - hits_a / n_a) / error } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn what_is_plain_is_decided_rightly_by_all() {
        for method in [Method::AbTest, Method::Bandit, Method::Naive] {
            for (shares, wanted) in [([0.9, 0.3], Decision::Stop), ([0.3, 0.9], Decision::Switch)] {
                let mut rng = ChaCha8Rng::seed_from_u64(9);
                let found = trial(method, 5_000, shares, &mut rng, |version, rng| rng.random::<f64>() < shares[version]);
                assert_eq!(found.decision, wanted, "{method:?}");
                assert!(found.reads < 500 && found.regret < 200.0, "{method:?}: {found:?}");
            }
        }
    }

    #[test]
    fn nothing_to_tell_is_no_regret() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let found = trial(Method::AbTest, 1_000, [1.0, 1.0], &mut rng, |_, _| true);
        assert_eq!(found, Outcome { decision: Decision::Neither, reads: 1_000, regret: 0.0 });
    }
}
