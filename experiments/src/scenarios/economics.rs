//! `economics`: both always, or a second job for a while? A model of a month's cost is fitted from measured runs, tried on runs that it was not
//! fitted on, and then asked where which architecture is the cheaper one.

use std::fmt::Write;
use std::time::Duration;

use twopath_results::prices::{Usage, read_prices, usage};
use twopath_results::result::{CompareResult, Month, Outcome, Prices, RunResult};
use twopath_results::scenario::{Axis, Cell, Figure, Map, Table, Verdict};
use twopath_results::statistics::median;

use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "economics",
    asks: "Both layers always, or a second job for a while: which is cheaper, and where does it turn?",
    says: "Lambda pays for both its paths all the time, Kappa for a second job only when its code changes: so Kappa is cheaper until changes \
           are many.",
    source: "J. Kreps, Questioning the Lambda Architecture (2014); R. Yadav et al., Enzyme (SIGMOD 2026, arXiv:2603.27775), for cost \
             models that pick incremental or full",
    confirmed_by: "the map has both Kappa (few changes) and Lambda (many); refuted where one is cheaper everywhere; undecided where the model is \
                   off by more than a quarter, on the median of runs that it was not fitted on",
    repeats: (3, 1),
    run,
};

const ARCHITECTURES: [&str; 2] = ["lambda", "kappa"];
/// A model that is further off decides nothing.
const ERROR_MAX: f64 = 0.25;
const GIB: f64 = (1u64 << 30) as f64;
const DAYS_PER_MONTH: f64 = 365.25 / 12.0;

/// Events of history, and live ones a second.
type At = (u64, f64);

const FIT: [At; 4] = [(300_000, 2_000.0), (1_000_000, 4_000.0), (3_000_000, 4_000.0), (3_000_000, 10_000.0)];
const TRY: [At; 5] = [(500_000, 6_000.0), (2_000_000, 3_000.0), (2_000_000, 8_000.0), (5_000_000, 2_000.0), (5_000_000, 6_000.0)];
const FIT_QUICK: [At; 2] = [(5_000, 2_000.0), (20_000, 2_000.0)];
const TRY_QUICK: [At; 1] = [(10_000, 2_000.0)];

/// What one architecture costs, per thing that is done. Linear in all of them.
struct Model {
    name: &'static str,
    /// While nothing comes and nothing is kept, for each event that comes in that second, and for each that is kept: answers and publications go over groups.
    cpu_s_per_s: f64,
    cpu_s_per_event: f64,
    cpu_s_per_s_per_event_kept: f64,
    cpu_s_per_event_read_by_batch: f64,
    cpu_s_per_event_of_change: f64,
    hours_of_change_per_event: f64,
    extra_bytes_of_change_per_event: f64,
    bytes_written_per_event: f64,
    log_bytes_per_event: f64,
    /// Peak memory: of nothing, and for each event that was read.
    memory_bytes: (f64, f64),
}

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let prices = read_prices(None).map_err(super::compare::CompareError::Prices)?;
    let (fit, tried): (&[At], &[At]) = lab.pick((&FIT, &TRY), (&FIT_QUICK, &TRY_QUICK));
    let fitted_on = fit.iter().map(|at| measured(lab, notes, "fit", *at)).collect::<Result<Vec<_>, _>>()?;
    let models = ARCHITECTURES.map(|name| fitted(name, &fitted_on));
    for model in &models {
        note(notes, model);
    }

    // On runs that it was not fitted on.
    let mut rows: Vec<Vec<Cell>> = vec![];
    let (mut errors, mut picked, mut pairs) = (vec![], 0, 0);
    for at in tried {
        let result = measured(lab, notes, "try", *at)?;
        let mut both = vec![];
        for model in &models {
            let of_run = |run: &RunResult| Some((cost_of_run(run, &prices)?, model.cost_of_run(run, &prices)));
            let costs: Vec<(f64, f64)> = runs_of(&result, model.name).filter_map(of_run).collect();
            let (Some(real), Some(told)) = (median_of(&costs, |c| c.0), median_of(&costs, |c| c.1)) else { continue };
            let error = (told - real).abs() / real;
            errors.push(error);
            both.push((real, told));
            let of = format!("{}, {} events, {}/s", model.name, at.0, at.1);
            notes.figures.push(Figure::exact("model_error", &of, "share", error));
            let million = |cost: f64| Cell::from((cost * 1e6, "number"));
            rows.push(vec![
                model.name.into(),
                (at.0 as f64, "events").into(),
                (at.1, "events_per_s").into(),
                million(real),
                million(told),
                (error, "share").into(),
            ]);
        }
        if let [(real_a, told_a), (real_b, told_b)] = both[..] {
            pairs += 1;
            picked += u64::from((real_a < real_b) == (told_a < told_b));
        }
    }
    let error = median(&errors).unwrap_or(f64::INFINITY);
    notes.figures.push(Figure::exact("model_error_median", "all points tried", "share", error));
    notes.figures.push(Figure::share("picked_rightly", "all points tried", picked, pairs));
    notes.tables.push(Table {
        title: format!("The model on runs that it was not fitted on (in {} per million such runs)", prices.currency),
        columns: ["system", "history", "rate", "measured", "by the model", "off by"].map(String::from).to_vec(),
        rows,
    });
    let both = crossover(lab, notes, &models, &prices)?;
    notes.findings.push(
        "The model takes memory, reading, views and recomputation to be linear in the events that the log keeps; where groups stop growing, memory and reading are told too high. It \
         was fitted on histories of up to 3 million events: what the map says of more is what such lines would give."
            .into(),
    );
    let verdict = if error > ERROR_MAX { Verdict::Undecided } else { Verdict::of(both == [true, true]) };
    let told = match both {
        [true, true] => "each is cheaper somewhere",
        [true, false] => "Lambda is cheaper everywhere on the map",
        _ => "Kappa is cheaper everywhere on the map",
    };
    notes.conclude(verdict, format!("{told}; the model was off by {:.0} % on the median of {} runs.", error * 100.0, errors.len()));
    Ok(())
}

fn measured(lab: &Lab, notes: &mut Notes, what: &str, (history, rate): At) -> Result<CompareResult, ScenarioError> {
    let duration = lab.pick(Duration::from_secs(6), Duration::from_millis(600));
    lab.compare(notes, &format!("{what}-{history}-{rate}"), lab.settings(&ARCHITECTURES, history, rate, duration))
}

fn runs_of<'a>(result: &'a CompareResult, name: &str) -> impl Iterator<Item = &'a RunResult> {
    result.runs.iter().filter(move |run| run.system == name && run.outcome == Outcome::Ok)
}

fn median_of<T>(values: &[T], of: impl Fn(&T) -> f64) -> Option<f64> {
    median(&values.iter().map(of).collect::<Vec<_>>())
}

/// Medians over all runs of an architecture; CPU of live traffic, and memory, by least squares.
fn fitted(name: &'static str, results: &[CompareResult]) -> Model {
    let runs: Vec<&RunResult> = results.iter().flat_map(|result| runs_of(result, name)).collect();
    let over = |of: &dyn Fn(&RunResult, &Usage) -> f64| {
        let values: Vec<f64> = runs.iter().map(|run| of(run, &usage(run))).filter(|v| v.is_finite()).collect();
        median(&values).unwrap_or(0.0)
    };
    let cores = runs.iter().filter_map(|run| {
        let live = &run.cost.phases.as_ref()?.live;
        let per_s = live.events as f64 / (live.duration_ms / 1e3);
        Some((vec![1.0, per_s, history_of(run)], usage(run).cpu_s_per_event * per_s))
    });
    let memory = runs.iter().map(|run| (vec![1.0, run.events as f64], run.cost.rss_bytes_max as f64));
    let (cores, memory) = (least_squares(&cores.collect::<Vec<_>>()), least_squares(&memory.collect::<Vec<_>>()));
    let of = |fitted: &[f64], i: usize| fitted.get(i).copied().unwrap_or(0.0);
    Model {
        name,
        cpu_s_per_s: of(&cores, 0),
        cpu_s_per_event: of(&cores, 1),
        cpu_s_per_s_per_event_kept: of(&cores, 2),
        cpu_s_per_event_read_by_batch: over(&|_, used| used.batch_cpu_s_per_event_read),
        cpu_s_per_event_of_change: over(&|_, used| used.change_cpu_s / used.events_recomputed),
        hours_of_change_per_event: over(&|_, used| used.change_hours / used.events_recomputed),
        extra_bytes_of_change_per_event: over(&|run, used| run.extra_storage_bytes_max as f64 / used.events_recomputed),
        bytes_written_per_event: over(&|_, used| used.bytes_written_per_event),
        log_bytes_per_event: over(&|_, used| used.log_bytes_per_event),
        memory_bytes: (of(&memory, 0), of(&memory, 1)),
    }
}

/// Events of a run that were there before live ones came.
fn history_of(run: &RunResult) -> f64 {
    run.events as f64 - run.freshness_ms.count as f64 - run.events_never_covered as f64
}

/// The factors, none of them negative, with which these things add up to these sums with the least squares of errors: C. L. Lawson and R. J. Hanson, Solving
/// Least Squares Problems (1974), chapter 23, here by turns over the factors, of which there are few.
fn least_squares(points: &[(Vec<f64>, f64)]) -> Vec<f64> {
    const TURNS: usize = 20_000;
    let n = points.first().map_or(0, |(things, _)| things.len());
    // Things of one size make the turns end where they are to.
    let sizes: Vec<f64> =
        (0..n).map(|i| points.iter().map(|(things, _)| things[i].powi(2)).sum::<f64>().sqrt().max(f64::MIN_POSITIVE)).collect();
    let mut factors = vec![0.0; n];
    for i in (0..n).cycle().take(TURNS * n) {
        let told = |things: &[f64]| things.iter().zip(&sizes).zip(&factors).map(|((x, size), factor)| x / size * factor).sum::<f64>();
        let step: f64 = points.iter().map(|(things, sum)| things[i] / sizes[i] * (sum - told(things))).sum();
        factors[i] = f64::max(factors[i] + step, 0.0);
    }
    factors.iter().zip(&sizes).map(|(factor, size)| factor / size).collect()
}

/// What the steady phase of a run cost, the change included: CPU, and memory for as long as it was.
fn cost_of_run(run: &RunResult, prices: &Prices) -> Option<f64> {
    let phases = run.cost.phases.as_ref()?;
    let cpu_s: f64 = phases.live.cpu_s.values().chain(phases.change.cpu_s.values()).sum();
    Some(cpu_money(cpu_s, prices) + memory_money(run.cost.rss_bytes_max as f64, run.duration_ms / 3.6e6, prices))
}

fn cpu_money(seconds: f64, prices: &Prices) -> f64 {
    seconds / 3600.0 * prices.cpu_hour
}

fn memory_money(bytes: f64, hours: f64, prices: &Prices) -> f64 {
    bytes / GIB * hours * prices.memory_gib_hour
}

impl Model {
    /// What it says of a run, from what was planned for that: events, batch runs and the change.
    fn cost_of_run(&self, run: &RunResult, prices: &Prices) -> f64 {
        use twopath_results::result::Happening;
        let history = history_of(run);
        let live = run.events as f64 - history;
        let in_change = |at_ms: f64| {
            let deployed = run.marks.iter().find(|mark| matches!(mark.what, Happening::Deploy { .. }));
            deployed.is_some_and(|mark| at_ms >= mark.at_ms && mark.until_ms.is_none_or(|until| at_ms < until))
        };
        let batch_runs = run.marks.iter().filter(|mark| matches!(mark.what, Happening::BatchRun { .. }) && mark.at_ms >= 0.0);
        let read_by_batch: f64 = batch_runs.filter(|mark| !in_change(mark.at_ms)).map(|_| history + live / 2.0).sum();
        let cpu_s = self.live_cpu_s(live, history, run.duration_ms / 1e3)
            + read_by_batch * self.cpu_s_per_event_read_by_batch
            + (history + live / 2.0) * self.cpu_s_per_event_of_change;
        let memory = self.memory_bytes.0 + self.memory_bytes.1 * run.events as f64;
        cpu_money(cpu_s, prices) + memory_money(memory, run.duration_ms / 3.6e6, prices)
    }

    /// Of so many events, beside so many that are kept, in so many seconds.
    fn live_cpu_s(&self, events: f64, kept: f64, seconds: f64) -> f64 {
        events * self.cpu_s_per_event + seconds * (self.cpu_s_per_s + kept * self.cpu_s_per_s_per_event_kept)
    }

    /// What a month costs.
    fn cost_of_month(&self, month: &Month, prices: &Prices) -> f64 {
        let events = month.events_per_day * DAYS_PER_MONTH;
        let kept = month.events_per_day * month.retention_days;
        let read_by_batch = if self.cpu_s_per_event_read_by_batch > 0.0 { month.batch_runs_per_day * DAYS_PER_MONTH * kept } else { 0.0 };
        let cpu_s = self.live_cpu_s(events, kept, DAYS_PER_MONTH * 86_400.0)
            + read_by_batch * self.cpu_s_per_event_read_by_batch
            + month.changes_per_month * kept * self.cpu_s_per_event_of_change;
        let standing = memory_money(self.memory_bytes.0 + self.memory_bytes.1 * kept, DAYS_PER_MONTH * 24.0, prices);
        let during_changes = memory_money(
            self.extra_bytes_of_change_per_event * kept,
            month.changes_per_month * self.hours_of_change_per_event * kept,
            prices,
        );
        let at_rest = self.log_bytes_per_event * kept / GIB * prices.storage_gib_month;
        let written = events * self.bytes_written_per_event / GIB * prices.written_gib;
        cpu_money(cpu_s, prices) + standing + during_changes + at_rest + written
    }
}

fn note(notes: &mut Notes, model: &Model) {
    let micro = |seconds: f64| seconds * 1e6;
    let figures = [
        ("cores_of_nothing", "number", model.cpu_s_per_s),
        ("cpu_per_million_events", "s", micro(model.cpu_s_per_event)),
        ("cores_per_million_kept", "number", micro(model.cpu_s_per_s_per_event_kept)),
        ("cpu_per_million_read_by_batch", "s", micro(model.cpu_s_per_event_read_by_batch)),
        ("cpu_per_million_of_a_change", "s", micro(model.cpu_s_per_event_of_change)),
        ("log_bytes_per_event", "bytes", model.log_bytes_per_event),
        ("memory_of_nothing", "bytes", model.memory_bytes.0),
        ("memory_per_event", "bytes", model.memory_bytes.1),
    ];
    notes.figures.extend(figures.map(|(figure, unit, value)| Figure::exact(figure, model.name, unit, value)));
}

/// Values in equal steps of a logarithm.
fn log_steps(from: f64, to: f64, steps: usize) -> Vec<f64> {
    (0..steps).map(|i| from * (to / from).powf(i as f64 / (steps - 1) as f64)).collect()
}

/// The map, and its figures as CSV. Gives whether each of the architectures is the cheapest somewhere.
fn crossover(lab: &Lab, notes: &mut Notes, models: &[Model; 2], prices: &Prices) -> Result<[bool; 2], ScenarioError> {
    let (xs, ys) = (log_steps(1e5, 1e9, 17), log_steps(0.1, 1_000.0, 17));
    let mut csv = String::from("events_per_day,changes_per_month,retention_days,batch_runs_per_day");
    models.iter().for_each(|model| csv += &format!(",{}", model.name));
    csv += ",cheapest,times_cheaper\n";
    let mut somewhere = [false; 2];
    let mut cells = vec![];
    for &changes_per_month in &ys {
        let mut row = vec![];
        for &events_per_day in &xs {
            let month = Month { events_per_day, changes_per_month, ..Month::default() };
            let costs = models.each_ref().map(|model| model.cost_of_month(&month, prices));
            let best = usize::from(costs[1] < costs[0]);
            let by = costs[1 - best] / costs[best].max(f64::MIN_POSITIVE);
            somewhere[best] = true;
            row.push((best, by));
            let Month { retention_days, batch_runs_per_day, .. } = month;
            let _ = writeln!(
                csv,
                "{events_per_day},{changes_per_month},{retention_days},{batch_runs_per_day},{},{},{},{by}",
                costs[0], costs[1], models[best].name
            );
        }
        cells.push(row);
    }
    lab.file(notes, "crossover.csv", &csv)?;
    let month = Month::default();
    notes.maps.push(Map {
        title: "Who is cheaper".into(),
        hint: format!(
            "A log that keeps {} days, {} batch runs a day, prices as of the price file. The deeper the colour, the more cheaper. The figures: crossover.csv.",
            month.retention_days, month.batch_runs_per_day
        ),
        x: Axis::log("events a day", "count"),
        y: Axis::log("changes a month", "count"),
        xs,
        ys,
        names: models.each_ref().map(|model| model.name.to_string()).to_vec(),
        cells,
    });
    Ok(somewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &'static str, batch: f64, change: f64) -> Model {
        Model {
            name,
            cpu_s_per_s: 0.0,
            cpu_s_per_event: 1e-6,
            cpu_s_per_s_per_event_kept: 0.0,
            cpu_s_per_event_read_by_batch: batch,
            cpu_s_per_event_of_change: change,
            hours_of_change_per_event: 0.0,
            extra_bytes_of_change_per_event: 0.0,
            bytes_written_per_event: 0.0,
            log_bytes_per_event: 0.0,
            memory_bytes: (0.0, 0.0),
        }
    }

    #[test]
    fn a_month_is_the_sum_of_its_parts() {
        let prices = Prices {
            currency: "EUR".into(),
            cpu_hour: 3600.0,
            memory_gib_hour: 0.0,
            storage_gib_month: 0.0,
            written_gib: 0.0,
            source: String::new(),
        };
        let month = Month { events_per_day: 1e6, retention_days: 2.0, changes_per_month: 3.0, batch_runs_per_day: 1.0 };
        // A unit of money is a second of CPU: a month's events, 30.4375 batch runs over two millions, three changes over two millions.
        let cost = model("lambda", 1e-7, 1e-6).cost_of_month(&month, &prices);
        assert!((cost - (30.4375 + 30.4375 * 0.2 + 3.0 * 2.0)).abs() < 1e-9, "{cost}");
        let without = model("kappa", 0.0, 1e-6).cost_of_month(&month, &prices);
        assert!((without - (30.4375 + 6.0)).abs() < 1e-9, "{without}");
        let seconds = 30.4375 * 86_400.0;
        let idle = Model { cpu_s_per_s: 0.5, cpu_s_per_s_per_event_kept: 1e-7, ..model("kappa", 0.0, 0.0) }.cost_of_month(&month, &prices);
        assert!((idle - (30.4375 + seconds * (0.5 + 0.2))).abs() < 1e-6, "{idle}");
    }

    #[test]
    fn sums_of_things_are_taken_apart() {
        let points =
            [(1.0, 3e6), (4.0, 1e6), (4.0, 3e6), (10.0, 3e6), (2.0, 3e5)].map(|(a, b)| (vec![1.0, a, b], 0.4 + 0.01 * a + 3e-7 * b));
        let found = least_squares(&points);
        assert!((found[0] - 0.4).abs() < 1e-6 && (found[1] - 0.01).abs() < 1e-6 && (found[2] - 3e-7).abs() < 1e-12, "{found:?}");
        // One that would have to be negative is 0.
        let found = least_squares(&[(vec![1.0, 1.0], 1.0), (vec![1.0, 2.0], 0.5)]);
        assert!((found[0] - 0.75).abs() < 1e-9 && found[1] == 0.0, "{found:?}");
        assert!(least_squares(&[]).is_empty());
        assert_eq!(log_steps(1.0, 100.0, 3), [1.0, 10.0, 100.0]);
    }
}
