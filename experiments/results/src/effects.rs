//! Which effect is the architecture's, which the engine's, which the language's.
//!
//! Two systems that differ in one factor alone are a pair in each repeat: their ratio is that factor's doing. Systems that differ in more
//! are left out, so a cross gives every factor its pairs and presets give what they happen to hold. A layer that an architecture does not
//! have (Kappa has no batch engine) cannot be held constant: such systems are averaged over before they are paired, so that no run counts
//! twice.

use std::collections::{BTreeMap, BTreeSet};

use super::report::questions::{figure, hash, ids};
use super::result::{CompareResult, ComparedSystem, Effect, Factor, RunResult};
use super::statistics::paired_effect;

const FACTORS: [Factor; 4] = [Factor::Architecture, Factor::BatchEngine, Factor::SpeedEngine, Factor::Language];

/// The effects of every factor on every figure, from all runs that did not crash.
pub fn effects(result: &CompareResult) -> Vec<Effect> {
    let systems = &result.settings.systems;
    let mut found = Vec::new();
    for factor in FACTORS {
        let levels = levels(systems, factor);
        for (index, from) in levels.iter().enumerate() {
            for to in &levels[index + 1..] {
                found.extend(ids().filter_map(|id| effect(result, factor, from, to, id)));
            }
        }
    }
    found
}

/// In the order in which systems have them.
fn levels(systems: &[ComparedSystem], factor: Factor) -> Vec<String> {
    let mut seen = BTreeSet::new();
    systems.iter().filter_map(|system| level(system, factor)).filter(|level| seen.insert(level.to_string())).map(String::from).collect()
}

fn level(system: &ComparedSystem, factor: Factor) -> Option<&str> {
    match factor {
        Factor::Architecture => Some(&system.wiring),
        Factor::BatchEngine => system.batch_engine.as_deref(),
        Factor::SpeedEngine => system.speed_engine.as_deref(),
        Factor::Language => system.language.as_deref(),
    }
}

/// The factors that are held constant.
type Constant = Vec<Option<String>>;

fn effect(result: &CompareResult, factor: Factor, from: &str, to: &str, id: &str) -> Option<Effect> {
    let at = |wanted: &str| result.settings.systems.iter().filter(|s| level(s, factor) == Some(wanted)).collect::<Vec<&ComparedSystem>>();
    let (from_systems, to_systems) = (at(from), at(to));
    // A factor that one side lacks altogether cannot be held constant.
    let held: Vec<Factor> = FACTORS
        .into_iter()
        .filter(|other| *other != factor)
        .filter(|other| [&from_systems, &to_systems].iter().all(|side| side.iter().any(|s| level(s, *other).is_some())))
        .collect();
    let constant = |system: &ComparedSystem| -> Constant { held.iter().map(|other| level(system, *other).map(String::from)).collect() };
    let means = |systems: &[&ComparedSystem]| {
        let mut values: BTreeMap<(u32, Constant), Vec<f64>> = BTreeMap::new();
        for (run, system) in runs_of(result, systems) {
            if let Some(value) = figure(id, run) {
                values.entry((run.repeat, constant(system))).or_default().push(value);
            }
        }
        values.into_iter().map(|(key, values)| (key, mean(&values))).collect::<BTreeMap<_, _>>()
    };
    let (from_values, to_values) = (means(&from_systems), means(&to_systems));
    let pairs: Vec<(f64, f64)> = to_values.iter().filter_map(|(key, value)| Some((*value, *from_values.get(key)?))).collect();
    let seed = result.provenance.seed ^ hash(id) ^ hash(from) ^ hash(to).rotate_left(1);
    let found = paired_effect(&pairs, seed)?;
    Some(Effect {
        factor,
        from: from.into(),
        to: to.into(),
        figure: id.into(),
        ratio: found.ratio,
        low: found.interval.map(|(low, _)| low),
        high: found.interval.map(|(_, high)| high),
        difference: found.difference,
        pairs: pairs.len() as u64,
        decided: found.decided,
        everywhere: points_one_way(result, id, factor, from, to),
    })
}

fn runs_of<'r>(result: &'r CompareResult, systems: &[&'r ComparedSystem]) -> Vec<(&'r RunResult, &'r ComparedSystem)> {
    let of = |run: &'r RunResult| Some((run, *systems.iter().find(|system| system.name == run.system)?));
    result.runs.iter().filter_map(of).collect()
}

/// Whether every system of the one level stands on the same side of every system of the other, by their medians: then no engine and no
/// language explains the effect.
fn points_one_way(result: &CompareResult, id: &str, factor: Factor, from: &str, to: &str) -> bool {
    let medians = |wanted: &str| -> Vec<f64> {
        let systems = result.settings.systems.iter().filter(|s| level(s, factor) == Some(wanted));
        systems
            .filter_map(|system| {
                let values: Vec<f64> = runs_of(result, &[system]).iter().filter_map(|(run, _)| figure(id, run)).collect();
                super::statistics::median(&values)
            })
            .collect()
    };
    let (a, b) = (medians(from), medians(to));
    let highest = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    highest(&a) < lowest(&b) || highest(&b) < lowest(&a)
}

/// Geometric, since ratios are judged; the plain one where a 0 is among them.
fn mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if values.iter().all(|value| *value > 0.0) {
        (values.iter().map(|value| value.ln()).sum::<f64>() / n).exp()
    } else {
        values.iter().sum::<f64>() / n
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::result::{Outcome, Quantiles};
    use crate::sample::sample;

    struct Planted {
        kappa: f64,
        rayon: f64,
        differential: f64,
        sql: f64,
    }

    /// A cross whose p99 of freshness is made of known factors and a little noise.
    fn cross(planted: &Planted, repeats: u32, noise: f64, seed: u64) -> CompareResult {
        let mut result = sample();
        let some = |text: &str| Some(text.to_string());
        let mut systems = Vec::new();
        for language in ["hand", "sql"] {
            for speed in ["timely", "differential"] {
                for batch in ["polars", "rayon"] {
                    systems.push(("lambda", some(batch), some(speed), some(language)));
                }
                systems.push(("kappa", None, some(speed), some(language)));
            }
        }
        result.settings.systems = systems
            .into_iter()
            .map(|(wiring, batch_engine, speed_engine, language)| ComparedSystem {
                name: format!("{wiring} {batch_engine:?} {speed_engine:?} {language:?}"),
                architecture: wiring.into(),
                wiring: wiring.into(),
                batch_engine,
                speed_engine,
                language,
            })
            .collect();
        result.settings.repeats = repeats;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        result.runs.clear();
        for repeat in 0..repeats {
            // What is common to a round: pairs are what is free of it.
            let round = rng.random_range(0.5..2.0);
            for system in &result.settings.systems {
                let factor = |has: bool, factor: f64| if has { factor } else { 1.0 };
                let p99 = 10.0
                    * round
                    * factor(system.wiring == "kappa", planted.kappa)
                    * factor(system.batch_engine.as_deref() == Some("rayon"), planted.rayon)
                    * factor(system.speed_engine.as_deref() == Some("differential"), planted.differential)
                    * factor(system.language.as_deref() == Some("sql"), planted.sql)
                    * (1.0 + noise * rng.random_range(-1.0..1.0));
                result.runs.push(RunResult {
                    system: system.name.clone(),
                    repeat,
                    outcome: Outcome::Ok,
                    freshness_ms: Quantiles { p99, count: 1, ..Quantiles::default() },
                    ..RunResult::default()
                });
            }
        }
        result
    }

    fn found(result: &CompareResult, factor: Factor) -> Effect {
        let levels = levels(&result.settings.systems, factor);
        effect(result, factor, &levels[0], &levels[1], "freshness_p99").unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn planted_effects_are_found(kappa in 0.2f64..5.0, differential in 0.2f64..5.0, sql in 0.2f64..5.0, seed in any::<u64>()) {
            let planted = Planted { kappa, rayon: 1.0, differential, sql };
            let result = cross(&planted, 3, 0.02, seed);
            for (factor, expected) in [(Factor::Architecture, kappa), (Factor::SpeedEngine, differential), (Factor::Language, sql)] {
                let effect = found(&result, factor);
                let ratio = effect.ratio.unwrap();
                prop_assert!((ratio / expected - 1.0).abs() < 0.04, "{:?}, planted {}", effect, expected);
                prop_assert!(effect.low.unwrap() <= ratio && ratio <= effect.high.unwrap());
                if (expected - 1.0).abs() > 0.1 {
                    prop_assert!(effect.decided, "{:?}, planted {}", effect, expected);
                }
            }
            let none = found(&result, Factor::BatchEngine);
            prop_assert!((none.ratio.unwrap() - 1.0).abs() < 0.04);
        }
    }

    #[test]
    fn where_nothing_is_planted_little_is_found() {
        let nothing = Planted { kappa: 1.0, rayon: 1.0, differential: 1.0, sql: 1.0 };
        let decided = (0..60).filter(|seed| found(&cross(&nothing, 3, 0.2, *seed), Factor::Language).decided).count();
        assert!(decided <= 9, "{decided} of 60");
    }

    #[test]
    fn a_run_counts_once_in_a_factor() {
        let planted = Planted { kappa: 2.0, rayon: 4.0, differential: 1.0, sql: 1.0 };
        let result = cross(&planted, 2, 0.0, 7);
        // Kappa against the mean of both of Lambda's batch engines (twice what polars has): once for each repeat, speed engine and language.
        let architecture = found(&result, Factor::Architecture);
        assert_eq!(architecture.pairs, 2 * 2 * 2);
        assert!((architecture.ratio.unwrap() - 1.0).abs() < 1e-9, "{architecture:?}");
        assert!(!architecture.everywhere, "the engine explains it: Kappa is above polars and below rayon");
        assert_eq!(found(&result, Factor::BatchEngine).pairs, 2 * 2 * 2);
        assert_eq!(found(&result, Factor::Language).pairs, 2 * 6);
        let clear = cross(&Planted { kappa: 9.0, rayon: 2.0, differential: 1.0, sql: 1.0 }, 2, 0.0, 7);
        assert!(found(&clear, Factor::Architecture).everywhere);
    }

    #[test]
    fn what_has_no_partner_is_left_out() {
        let planted = Planted { kappa: 1.0, rayon: 1.0, differential: 1.0, sql: 3.0 };
        let mut result = cross(&planted, 3, 0.0, 7);
        // Crashed: no partner for its counterpart.
        let victim = result.runs.iter_mut().find(|run| run.system.contains("sql")).unwrap();
        victim.outcome = Outcome::Crashed { message: String::new(), exit_code: None, signal: None };
        let effect = found(&result, Factor::Language);
        assert_eq!(effect.pairs, 3 * 6 - 1);
        // Only what differs in two factors at once.
        result.settings.systems.retain(|s| (s.speed_engine.as_deref() == Some("timely")) == (s.language.as_deref() == Some("hand")));
        assert!(effects(&result).iter().all(|e| e.factor != Factor::Language && e.factor != Factor::SpeedEngine));
    }

    #[test]
    fn presets_give_the_effects_that_they_hold() {
        let effects = effects(&sample());
        let language: Vec<&Effect> = effects.iter().filter(|e| e.factor == Factor::Language).collect();
        assert!(language.iter().all(|e| (e.from.as_str(), e.to.as_str(), e.pairs) == ("hand", "sql", 3)), "lambda and lambda-sql");
        assert!(effects.iter().all(|e| e.factor != Factor::SpeedEngine), "there is but one");
    }
}
