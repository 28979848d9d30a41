//! A discrete-event simulation of replays that share cores: processor sharing, with at most one core each (L. Kleinrock, Queueing Systems II,
//! 1976, chapter 4). Between two events every replay under way gets an equal share.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A replay: when it is asked for, and the core-seconds that it needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replay {
    pub at_s: f64,
    pub work_s: f64,
}

/// How long each replay takes, from its asking until it is done, on so many cores. `replays` ascend in time.
///
/// All under way get the same share, so that they are done in the order of a clock of its own, which goes as fast as one of them works: a
/// replay is done when that clock has gone on by its work.
pub fn simulate(replays: &[Replay], cores: f64) -> Vec<f64> {
    let mut took = vec![0.0; replays.len()];
    let mut under_way: BinaryHeap<Reverse<Due>> = BinaryHeap::new();
    let (mut now, mut worked, mut next) = (0.0, 0.0, 0);
    while next < replays.len() || !under_way.is_empty() {
        let speed = (cores / under_way.len().max(1) as f64).min(1.0);
        let done_at = under_way.peek().map_or(f64::INFINITY, |Reverse(first)| now + (first.worked - worked) / speed);
        let asked_at = replays.get(next).map_or(f64::INFINITY, |replay| replay.at_s);
        let then = done_at.min(asked_at);
        worked += (then - now) * speed;
        now = then;
        if asked_at <= done_at {
            under_way.push(Reverse(Due { worked: worked + replays[next].work_s, replay: next }));
            next += 1;
        } else if let Some(Reverse(done)) = under_way.pop() {
            worked = done.worked;
            took[done.replay] = now - replays[done.replay].at_s;
        }
    }
    took
}

/// When a replay is done, by the clock of the work.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Due {
    worked: f64,
    replay: usize,
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.worked.total_cmp(&other.worked).then(self.replay.cmp(&other.replay))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, Exp};

    use super::*;

    #[test]
    fn by_hand() {
        let replay = |at_s, work_s| Replay { at_s, work_s };
        // Alone on two cores a replay has one; three share two cores.
        assert_eq!(simulate(&[replay(0.0, 6.0)], 2.0), [6.0]);
        assert_eq!(simulate(&[replay(0.0, 2.0), replay(0.0, 2.0), replay(0.0, 2.0)], 2.0), [3.0, 3.0, 3.0]);
        // The second comes when the first has one second left, and they share one core: two seconds more for it, then the rest alone.
        assert_eq!(simulate(&[replay(0.0, 3.0), replay(2.0, 4.0)], 1.0), [4.0, 5.0]);
    }

    /// M/M/1 with processor sharing: the mean time in the system is E[S] / (1 - load).
    #[test]
    fn the_mean_is_that_of_the_formula() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let (arrivals, work) = (Exp::new(0.5).unwrap(), Exp::new(1.0).unwrap());
        let mut at_s = 0.0;
        let replays: Vec<Replay> = (0..200_000)
            .map(|_| {
                at_s += arrivals.sample(&mut rng);
                Replay { at_s, work_s: work.sample(&mut rng) }
            })
            .collect();
        let took = simulate(&replays, 1.0);
        let mean = took.iter().sum::<f64>() / took.len() as f64;
        assert!((mean - 2.0).abs() < 0.05, "{mean}");
    }
}
