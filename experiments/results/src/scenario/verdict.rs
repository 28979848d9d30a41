//! What became of a hypothesis.

use serde::{Deserialize, Serialize};

use crate::statistics::paired_effect;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interval leaves no doubt that it is as the hypothesis says.
    Confirmed,
    /// The interval leaves no doubt that it is not.
    Refuted,
    /// Not decided by so many repeats.
    Undecided,
}

impl Verdict {
    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Confirmed => "confirmed",
            Verdict::Refuted => "refuted",
            Verdict::Undecided => "undecided",
        }
    }

    /// Confirmed where all are, refuted where one is. Of nothing, nothing is decided.
    pub fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        let mut all = None;
        for verdict in verdicts {
            all = Some(match (all, verdict) {
                (Some(Verdict::Refuted), _) | (_, Verdict::Refuted) => Verdict::Refuted,
                (Some(Verdict::Undecided), _) | (_, Verdict::Undecided) => Verdict::Undecided,
                _ => Verdict::Confirmed,
            });
        }
        all.unwrap_or(Verdict::Undecided)
    }

    /// For what is counted and not estimated.
    pub fn of(holds: bool) -> Verdict {
        if holds { Verdict::Confirmed } else { Verdict::Refuted }
    }
}

/// Whether something that lies between `low` and `high` is at most `limit`.
pub fn at_most(limit: f64, low: Option<f64>, high: Option<f64>) -> Verdict {
    match (low, high) {
        (_, Some(high)) if high <= limit => Verdict::Confirmed,
        (Some(low), _) if low > limit => Verdict::Refuted,
        _ => Verdict::Undecided,
    }
}

/// Whether the first of each pair is less than the second (or, with `more`, more), by their paired ratio and its interval.
pub fn differs(pairs: &[(f64, f64)], more: bool, seed: u64) -> Verdict {
    match paired_effect(pairs, seed) {
        Some(effect) if effect.decided => Verdict::of((effect.difference > 0.0) == more),
        _ => Verdict::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_refutation_is_enough() {
        use Verdict::*;
        assert_eq!(Verdict::all([Confirmed, Confirmed]), Confirmed);
        assert_eq!(Verdict::all([Confirmed, Undecided]), Undecided);
        assert_eq!(Verdict::all([Undecided, Refuted, Confirmed]), Refuted);
        assert_eq!(Verdict::all([]), Undecided);
    }

    #[test]
    fn an_interval_decides_or_does_not() {
        assert_eq!(at_most(0.05, Some(0.01), Some(0.04)), Verdict::Confirmed);
        assert_eq!(at_most(0.05, Some(0.06), Some(0.09)), Verdict::Refuted);
        assert_eq!(at_most(0.05, Some(0.04), Some(0.06)), Verdict::Undecided);
        assert_eq!(at_most(0.05, None, None), Verdict::Undecided);
    }

    #[test]
    fn pairs_decide_in_either_direction() {
        let less = [(1.0, 4.0), (1.1, 4.0), (0.9, 4.0)];
        assert_eq!((differs(&less, false, 1), differs(&less, true, 1)), (Verdict::Confirmed, Verdict::Refuted));
        assert_eq!(differs(&less[..1], false, 1), Verdict::Undecided);
    }
}
