//! A discrete-event simulation of replays that share cores: processor sharing, with at most one core each (L. Kleinrock, Queueing Systems II,
//! 1976, chapter 4). Between two events every replay under way gets an equal share.

/// A replay: when it is asked for, and the core-seconds that it needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replay {
    pub at_s: f64,
    pub work_s: f64,
}

/// How long each replay takes, from its asking until it is done, on so many cores. `replays` ascend in time.
pub fn simulate(replays: &[Replay], cores: f64) -> Vec<f64> {
    let mut took = vec![0.0; replays.len()];
    // Those under way: number, and what is left of their work.
    let mut under_way: Vec<(usize, f64)> = Vec::new();
    let (mut now, mut next) = (0.0, 0);
    while next < replays.len() || !under_way.is_empty() {
        let speed = (cores / under_way.len().max(1) as f64).min(1.0);
        let done_at = under_way.iter().map(|(_, left)| now + left / speed).fold(f64::INFINITY, f64::min);
        let asked_at = replays.get(next).map_or(f64::INFINITY, |replay| replay.at_s);
        let then = done_at.min(asked_at);
        under_way.iter_mut().for_each(|(_, left)| *left -= (then - now) * speed);
        now = then;
        if asked_at <= done_at {
            under_way.push((next, replays[next].work_s));
            next += 1;
        } else {
            // What is left of the one that is done is rounding.
            let least = under_way.iter().map(|(_, left)| *left).fold(f64::INFINITY, f64::min);
            under_way.retain(|&(number, left)| {
                let is_done = left <= least;
                if is_done {
                    took[number] = now - replays[number].at_s;
                }
                !is_done
            });
        }
    }
    took
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
