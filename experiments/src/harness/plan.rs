//! In which order runs are made.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// One run to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRun {
    pub architecture: String,
    /// Counts up from 0.
    pub repeat: u32,
}

/// Every system once per round, each round in a random order of its own: so a machine that slows down or warms up in the
/// course of an hour harms all alike, and repeat *i* of one pairs with repeat *i* of another.
pub fn plan(systems: &[String], repeats: u32, seed: u64) -> Vec<PlannedRun> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..repeats)
        .flat_map(|repeat| {
            let mut round: Vec<_> = systems.iter().map(|architecture| PlannedRun { architecture: architecture.clone(), repeat }).collect();
            round.shuffle(&mut rng);
            round
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_round_holds_every_architecture_once(count in 1usize..7, repeats in 0u32..9, seed in any::<u64>()) {
            let names: Vec<String> = (0..count).map(|i| format!("a{i}")).collect();
            let runs = plan(&names, repeats, seed);
            prop_assert_eq!(runs.len(), count * repeats as usize);
            for (index, round) in runs.chunks(count).enumerate() {
                prop_assert!(round.iter().all(|run| run.repeat as usize == index));
                prop_assert_eq!(round.iter().map(|run| &run.architecture).collect::<BTreeSet<_>>().len(), count);
            }
            prop_assert_eq!(runs, plan(&names, repeats, seed));
        }
    }

    #[test]
    fn rounds_differ_in_order() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(String::from).to_vec();
        let runs = plan(&names, 20, 1);
        let orders: BTreeSet<Vec<&str>> = runs.chunks(4).map(|round| round.iter().map(|r| r.architecture.as_str()).collect()).collect();
        assert!(orders.len() > 5, "{orders:?}");
    }
}
