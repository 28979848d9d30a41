//! `fleet`: many jobs on one cluster: how much must be kept in reserve for reprocessing? A replay is measured on this machine; a simulation of
//! hundreds of jobs whose code changes at random is calibrated by it, and checked against a real run of eight jobs at once.

mod simulation;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp};
use twopath_base::{Offset, Position};
use twopath_events::workloads::flights;
use twopath_log::{Durability, Log, Topic};
use twopath_results::scenario::{Axis, Chart, Figure, Line, Point, Verdict, at_most};
use twopath_results::statistics::median;

use self::simulation::{Replay, simulate};
use super::{Lab, Notes, Scenario, ScenarioError};
use crate::systems::SpeedEngine;
use crate::systems::twopath::wiring::{self, VersionLogic};

pub const SCENARIO: Scenario = Scenario {
    name: "fleet",
    asks: "Many jobs on one cluster: how much must be kept in reserve for reprocessing?",
    says: "A second job needs a second set of resources only for a while: so a fleet that changes at random shares a reserve that is far \
           smaller than itself.",
    source: "J. Kreps, Questioning the Lambda Architecture (2014), on twice the resources for a while; the sharing is Erlang's (1917)",
    confirmed_by: "the smallest reserve with which 99 of 100 changes take at most twice as long as alone is at most a tenth of one core a job; \
                   undecided where the simulation is off by more than a quarter against the real run",
    repeats: (5, 1),
    run,
};

const JOBS: usize = 400;
const CHANGES_PER_MONTH: f64 = 4.0;
const MONTHS: f64 = 24.0;
/// Reserves that are tried, as multiples of what is needed on the mean.
const TIMES_NEEDED: [f64; 12] = [1.1, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0];
const SECONDS_PER_MONTH: f64 = 365.25 / 12.0 * 86_400.0;
/// Events that a job's log keeps: from, to, in equal shares of the logarithm.
const KEPT: (f64, f64) = (1e8, 1e11);
/// A reserve is enough with which 99 of 100 changes take at most so many times as long as alone.
const SLOWDOWN_MAX: f64 = 2.0;
/// Of a core a job: what is called far smaller than the fleet itself.
const SHARE_MAX: f64 = 0.1;
const REAL_JOBS: usize = 8;
const ERROR_MAX: f64 = 0.25;

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let scratch = lab.scratch()?;
    let topic = filled(scratch.path(), lab.pick(2_000_000, 40_000))?;
    let query = flights().query(Some("delays_by_origin_hour"))?.sql(2).to_owned();
    let logic = VersionLogic::sql(Arc::new(twopath_query::parse(&query, topic.name(), topic.schema())?));
    let end = topic.end()?;

    lab.step("one replay alone")?;
    replay(&topic, &logic, &end)?;
    let alone: Vec<f64> = (0..lab.repeats.max(3)).map(|_| replay(&topic, &logic, &end)).collect::<Result<_, _>>()?;
    let speed: Vec<f64> = alone.iter().map(|seconds| end.records() as f64 / seconds).collect();
    notes.figures.push(Figure::measured("replay_speed", "one worker alone", "events_per_s", &speed, lab.seed));
    let events_per_s = median(&speed).unwrap_or(1.0);

    let mut errors = vec![];
    for repeat in 0..lab.repeats {
        lab.step(&format!("{REAL_JOBS} replays at once"))?;
        errors.push(against_a_real_run(lab, (&topic, &logic, &end), events_per_s, repeat)?);
    }
    let error = Figure::measured("simulation_error", "8 real jobs", "share", &errors, lab.seed);

    lab.step("the fleet")?;
    let months = lab.pick(MONTHS, 2.0);
    let replays = fleet(lab.seed, months, events_per_s);
    // What the replays need on the mean; less than that never catches up.
    let span_s = replays.last().map_or(1.0, |replay| replay.at_s);
    let needed = replays.iter().map(|replay| replay.work_s).sum::<f64>() / span_s;
    notes.figures.push(Figure::exact("cores_busy_mean", "fleet", "number", needed));
    let mut reserves: Vec<f64> = TIMES_NEEDED.iter().map(|times| (needed * times).ceil()).collect();
    reserves.dedup();
    let (mut p50, mut p99, mut slow) = (vec![], vec![], vec![]);
    for &cores in &reserves {
        let took = simulate(&replays, cores);
        // Against the replay alone: sizes differ a thousandfold.
        let (half, most, slowest) = (quantile(&took, 0.5), quantile(&took, 0.99), slowdown_p99(&took, &replays));
        let of = format!("{cores} cores");
        notes.figures.push(Figure::exact("time_to_right_p50", &of, "ms", half * 1e3));
        notes.figures.push(Figure::exact("time_to_right_p99", &of, "ms", most * 1e3));
        notes.figures.push(Figure::exact("slowdown_p99", &of, "ratio", slowest));
        p50.push(Point::at(cores, half * 1e3));
        p99.push(Point::at(cores, most * 1e3));
        slow.push(Point::at(cores, slowest));
    }
    // As sure as the replay's speed: once with each that was measured.
    let enough: Vec<f64> = speed.iter().map(|&speed| least_reserve(&fleet(lab.seed, months, speed))).collect();
    let of_fleet: Vec<f64> = enough.iter().map(|cores| cores / JOBS as f64).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("asked_s", Arc::new(Float64Array::from_iter_values(replays.iter().map(|r| r.at_s)))),
        ("work_core_s", Arc::new(Float64Array::from_iter_values(replays.iter().map(|r| r.work_s)))),
    ];
    lab.samples(notes, "fleet", columns)?;
    let line = |name: &str, points| Line { name: name.into(), points };
    notes.charts.push(Chart {
        title: format!("Time until right, {JOBS} jobs that change {CHANGES_PER_MONTH} times a month"),
        hint: "From a change of the code until its replay is done.".into(),
        x: Axis::log("cores in reserve", "number"),
        y: Axis::log("", "ms"),
        lines: vec![line("half of the changes", p50), line("99 of 100", p99)],
    });
    notes.charts.push(Chart {
        title: "How many times as long as alone (99 of 100)".into(),
        hint: "1 is a reserve in which nobody waits for anybody.".into(),
        x: Axis::log("cores in reserve", "number"),
        y: Axis::log("", "ratio"),
        lines: vec![line("slowdown", slow)],
    });
    let reserve = Figure::measured("reserve_needed", "fleet", "number", &enough, lab.seed);
    let share = Figure::measured("reserve_needed_per_job", "fleet", "share", &of_fleet, lab.seed);
    let off = error.value.unwrap_or(f64::INFINITY);
    let verdict = if off > ERROR_MAX { Verdict::Undecided } else { at_most(SHARE_MAX, share.low, share.high) };
    let because = format!(
        "{JOBS} jobs need {:.0} cores in reserve; the simulation was off by {:.0} % against the real run.",
        reserve.value.unwrap_or(0.0),
        off * 100.0
    );
    notes.figures.extend([error, reserve, share]);
    notes.conclude(verdict, because);
    Ok(())
}

fn filled(dir: &Path, events: u64) -> Result<Topic, ScenarioError> {
    let workload = flights().last(events);
    let topic = Log::open(dir)?.create_topic(workload.topic_config(1, Durability::None))?;
    let writer = topic.writer()?;
    let mut next = 0;
    while next < events {
        let batch = workload.batch(next, (1 << 15).min((events - next) as usize));
        writer.append(&batch)?;
        next += batch.num_rows() as u64;
    }
    writer.close()?;
    Ok(topic)
}

/// Seconds that a replay from the log's start takes.
fn replay(topic: &Topic, logic: &VersionLogic, to: &Position) -> Result<f64, ScenarioError> {
    let began = Instant::now();
    wiring::replay(topic, logic, SpeedEngine::Timely, wiring::log_start(topic)?, to, 1)?;
    Ok(began.elapsed().as_secs_f64())
}

/// Eight replays of parts of the log, asked for within the time that they take together: how far the simulation is off, on the mean.
fn against_a_real_run(
    lab: &Lab,
    (topic, logic, end): (&Topic, &VersionLogic, &Position),
    events_per_s: f64,
    repeat: u32,
) -> Result<f64, ScenarioError> {
    let mut rng = ChaCha8Rng::seed_from_u64(lab.seed.wrapping_add(u64::from(repeat)));
    let whole_s = end.records() as f64 / events_per_s;
    let mut asked: Vec<(f64, Position)> = (0..REAL_JOBS)
        .map(|_| {
            let share: f64 = rng.random_range(0.3..1.0);
            let to = Position::new(end.iter().map(|(_, offset)| Offset((offset.0 as f64 * share) as u64)).collect());
            (rng.random_range(0.0..whole_s), to)
        })
        .collect();
    asked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let planned: Vec<Replay> = asked.iter().map(|(at_s, to)| Replay { at_s: *at_s, work_s: to.records() as f64 / events_per_s }).collect();
    let began = Instant::now();
    let one = |(at_s, to): &(f64, Position)| {
        thread::sleep(Duration::from_secs_f64(*at_s).saturating_sub(began.elapsed()));
        replay(topic, logic, to)
    };
    let real: Vec<f64> = thread::scope(|scope| {
        let threads: Vec<_> = asked.iter().map(|asked| scope.spawn(|| one(asked))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Result<_, _>>()
    })?;
    let cores = thread::available_parallelism().map_or(1, usize::from) as f64;
    let told = simulate(&planned, cores);
    let (real, told) = (real.iter().sum::<f64>(), told.iter().sum::<f64>());
    Ok((told - real).abs() / real)
}

/// So many months of changes: each job changes at random, and replays what its log keeps.
fn fleet(seed: u64, months: f64, events_per_s: f64) -> Vec<Replay> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let kept: Vec<f64> = (0..JOBS).map(|_| KEPT.0 * (KEPT.1 / KEPT.0).powf(rng.random::<f64>())).collect();
    let between = Exp::new(JOBS as f64 * CHANGES_PER_MONTH / SECONDS_PER_MONTH).expect("a rate above 0");
    let mut replays = vec![];
    let mut at_s = 0.0;
    while at_s < months * SECONDS_PER_MONTH {
        at_s += between.sample(&mut rng);
        replays.push(Replay { at_s, work_s: kept[rng.random_range(0..JOBS)] / events_per_s });
    }
    replays
}

/// The smallest whole number of cores that is enough. More cores are never slower, so that it is found by halving.
fn least_reserve(replays: &[Replay]) -> f64 {
    let enough = |cores: f64| slowdown_p99(&simulate(replays, cores), replays) <= SLOWDOWN_MAX;
    // With one core for each there is nothing to wait for.
    let (mut few, mut enough_so) = (0.0, replays.len().max(1) as f64);
    while enough_so - few > 1.0 {
        let middle = ((few + enough_so) / 2.0_f64).floor();
        if enough(middle) { enough_so = middle } else { few = middle }
    }
    enough_so
}

/// How many times as long as alone, 99 of 100.
fn slowdown_p99(took: &[f64], replays: &[Replay]) -> f64 {
    let slowdown: Vec<f64> = took.iter().zip(replays).map(|(took, replay)| took / replay.work_s).collect();
    quantile(&slowdown, 0.99)
}

/// The value that so large a share is at or below.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1]
}
