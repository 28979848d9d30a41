//! `aa`: does the harness lie? The same architecture under two names, and then again and again with the names dealt out anew.
//!
//! Runs are real and interleaved as in any comparison. From the runs of all rounds 1,000 comparisons are then made by drawing rounds and
//! dealing the two names anew within each: under the truth that both are the same, every deal is as likely as the one that happened (Fisher's
//! permutation). Each is judged as `compare` judges. So the 1,000 are not 1,000 times as many runs; they are what the statistics make of
//! runs that were really made, and the real deal is one of them.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Float64Array, StringArray, UInt32Array};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twopath_results::scenario::{Cell, Figure, Table, Verdict, at_most};
use twopath_results::statistics::paired_effect;

use super::compare::CompareSettings;
use super::notes::{answer, pairs};
use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "aa",
    asks: "Does the harness lie? The same architecture under two names.",
    says: "A harness that compares a system with itself names a winner in no more than 5 of 100 comparisons.",
    source: "R. Kohavi et al., Controlled experiments on the web: survey and practical guide (Data Mining and Knowledge Discovery, 2009): an A/A test \
             should reject about 5 % of the time",
    confirmed_by: "the share of comparisons that name a winner, over all figures: its 95 % interval lies at or below 5 % (or above it)",
    repeats: (24, 4),
    run,
};

const ALPHA: f64 = 0.05;
/// What a comparison decides on.
const FIGURES: [&str; 6] = ["freshness_p50", "freshness_p99", "query_latency_p99", "time_to_correct", "cpu_per_million", "rss"];
const ARCHITECTURE: &str = "kappa";

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let history = lab.pick(100_000, 5_000);
    let settings = CompareSettings {
        twins: true,
        ..lab.settings(&[ARCHITECTURE], history, lab.pick(4000.0, 2000.0), lab.pick(Duration::from_secs(2), Duration::from_millis(500)))
    };
    let result = lab.compare(notes, "twins", settings)?;
    lab.step("dealing the names anew")?;
    let again = format!("{ARCHITECTURE}-again");
    let comparisons = lab.pick(1_000, 200);
    // As many repeats as `compare` makes by default, or all there are.
    let repeats = CompareSettings::default().repeats.min(lab.repeats) as usize;
    let mut rng = ChaCha8Rng::seed_from_u64(lab.seed);
    let (mut named, mut all) = (0, 0);
    let mut rows: Vec<Vec<Cell>> = vec![];
    let (mut figures, mut rounds, mut firsts, mut seconds) = (vec![], vec![], vec![], vec![]);
    for id in FIGURES {
        let real = pairs(&result, (ARCHITECTURE, &again), answer(id));
        for (round, &(first, second)) in real.iter().enumerate() {
            figures.push(id);
            rounds.push(round as u32);
            firsts.push(first);
            seconds.push(second);
        }
        if real.len() < 2 {
            continue;
        }
        let all_runs: Vec<f64> = real.iter().flat_map(|&(a, b)| [a, b]).collect();
        notes.figures.push(variation(id, &all_runs));
        let winners = (0..comparisons).filter(|_| names_a_winner(&deal(&real, repeats, &mut rng), lab.seed)).count() as u64;
        named += winners;
        all += comparisons;
        let share = Figure::share("winners_named", id, winners, comparisons);
        let judged = paired_effect(&real, lab.seed);
        let really = judged.map_or("no pairs", |e| if e.decided { "a winner was named" } else { "no winner" });
        rows.push(vec![id.into(), (share.value, "share").into(), (share.high, "share").into(), really.into()]);
        notes.figures.push(share);
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("figure", Arc::new(StringArray::from(figures))),
        ("round", Arc::new(UInt32Array::from(rounds))),
        ("value", Arc::new(Float64Array::from(firsts))),
        ("value_again", Arc::new(Float64Array::from(seconds))),
    ];
    lab.samples(notes, "aa", columns)?;
    let share = Figure::share("winners_named", "all figures", named, all);
    let verdict = at_most(ALPHA, share.low, share.high);
    let told = format!(
        "{named} of {all} comparisons of {ARCHITECTURE} with itself, {repeats} repeats each, named a winner ({:.1} %)",
        100.0 * share.value.unwrap_or(0.0)
    );
    notes.figures.push(share);
    notes.figures.push(Figure::exact("comparisons_dealt", "each figure", "count", comparisons as f64));
    notes.tables.push(Table {
        title: format!("Winners named, of {comparisons} deals each"),
        columns: ["figure", "share", "at most (95 %)", "the real deal of all rounds"].map(String::from).to_vec(),
        rows,
    });
    notes.findings.push(format!(
        "The {} runs are real; the deals draw {repeats} of their {} rounds and swap the names within each by the toss of a coin.",
        2 * lab.repeats,
        lab.repeats
    ));
    notes.conclude(if all == 0 { Verdict::Undecided } else { verdict }, format!("{told}; at most 5 % may."));
    Ok(())
}

/// The standard deviation over the mean, with an approximate 95 % interval.
fn variation(id: &str, values: &[f64]) -> Figure {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let of_mean = deviation / mean;
    // The relative error of a standard deviation of n values is about 1 / sqrt(2 (n - 1)).
    let error = 1.959_964 / (2.0 * (n - 1.0)).sqrt();
    let (low, high) = (Some(of_mean / (1.0 + error)), (error < 1.0).then_some(of_mean / (1.0 - error)));
    Figure {
        low: low.filter(|_| high.is_some()),
        high,
        values: values.to_vec(),
        ..Figure::exact("coefficient_of_variation", id, "share", of_mean)
    }
}

/// So many different rounds, with the names dealt anew in each.
fn deal(real: &[(f64, f64)], repeats: usize, rng: &mut ChaCha8Rng) -> Vec<(f64, f64)> {
    let mut rounds = real.to_vec();
    rounds.shuffle(rng);
    rounds.truncate(repeats);
    rounds.into_iter().map(|(a, b)| if rng.random::<bool>() { (a, b) } else { (b, a) }).collect()
}

fn names_a_winner(pairs: &[(f64, f64)], seed: u64) -> bool {
    paired_effect(pairs, seed).is_some_and(|effect| effect.decided)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deal_keeps_pairs_together() {
        let real: Vec<(f64, f64)> = (0..9).map(|i| (f64::from(i), f64::from(i) + 0.5)).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut swapped = 0;
        for _ in 0..50 {
            let dealt = deal(&real, 4, &mut rng);
            assert_eq!(dealt.len(), 4);
            assert!(dealt.iter().all(|&(a, b)| (a - b).abs() == 0.5 && a.min(b).fract() == 0.0));
            swapped += dealt.iter().filter(|(a, b)| a > b).count();
        }
        assert!((60..140).contains(&swapped), "names are dealt by a coin: {swapped} of 200");
    }

    #[test]
    fn a_bias_would_be_found() {
        // Were one name 20 % slower each time, the real deal would name it.
        let biased: Vec<(f64, f64)> = (0..8).map(|i| (1.2 + 0.01 * f64::from(i), 1.0 + 0.01 * f64::from(i))).collect();
        assert!(names_a_winner(&biased, 1));
    }
}
