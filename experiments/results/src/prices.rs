//! Money: what recurs, what stands, and what a change costs, for a stated month.
//!
//! A short run over much history is no month, so its figures are told apart before they are multiplied:
//!
//! ```text
//! per million events  CPU and writing of live traffic (batch runs and the change left out)
//! per batch run       CPU of the batch layer for an event that it reads × events that the log keeps, and the view's writing
//! standing            peak memory for a month, the views at rest, and the log: bytes per event at rest × events that it keeps
//! per change          CPU over that of live traffic × (events that the log keeps / events that were recomputed), the writing, and the
//!                     second version's space in memory for as long as that takes
//! ```
//!
//! The log keeps `events_per_day × retention_days` events. A recomputation is taken to be linear in the events that it reads.

use std::collections::BTreeMap;
use std::path::Path;

use super::result::{Happening, Money, PhaseCosts, Phases, Prices, RunResult, Settings};

const BUNDLED: &str = include_str!("../prices.toml");
const GIB: f64 = (1u64 << 30) as f64;
const DAYS_PER_MONTH: f64 = 365.25 / 12.0;
const HOURS_PER_MONTH: f64 = DAYS_PER_MONTH * 24.0;

#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    #[error(
        "cannot read the price file {path}: {source}; give a readable TOML file with --prices, or leave the option out for the bundled one"
    )]
    Unreadable { path: String, source: std::io::Error },
    #[error("the price file {path} does not hold what is needed: {message}\ncopy experiments/results/prices.toml and edit the figures")]
    Malformed { path: String, message: String },
}

/// The prices in `file`, or the bundled ones.
pub fn read_prices(file: Option<&Path>) -> Result<Prices, PricesError> {
    let (text, path) = match file {
        None => (BUNDLED.to_string(), "experiments/results/prices.toml".to_string()),
        Some(file) => {
            let path = file.display().to_string();
            (std::fs::read_to_string(file).map_err(|source| PricesError::Unreadable { path: path.clone(), source })?, path)
        }
    };
    let prices: Prices = toml::from_str(&text).map_err(|e| PricesError::Malformed { path: path.clone(), message: e.to_string() })?;
    let figures = [
        ("cpu_hour", prices.cpu_hour),
        ("memory_gib_hour", prices.memory_gib_hour),
        ("storage_gib_month", prices.storage_gib_month),
        ("written_gib", prices.written_gib),
    ];
    for (name, price) in figures {
        if !(price >= 0.0 && price.is_finite()) {
            return Err(PricesError::Malformed { path, message: format!("{name} = {price}, where 0 or more is expected") });
        }
    }
    Ok(prices)
}

/// Fills in what the run's cost comes to for the month of the settings. Without phases (see [`Phases`]) all CPU time and writing counts
/// as that of live traffic, and a change as nothing.
pub fn charge(run: &mut RunResult, settings: &Settings) {
    if run.events == 0 {
        return;
    }
    let (month, prices) = (&settings.month, &settings.prices);
    let kept = month.events_per_day * month.retention_days;
    let cpu = |seconds: f64| seconds / 3600.0 * prices.cpu_hour;
    let writing = |bytes: f64| bytes / GIB * prices.written_gib;
    let used = usage(run);

    let per_million = BTreeMap::from([
        ("cpu".to_string(), cpu(used.cpu_s_per_event * 1e6)),
        ("writing".to_string(), writing(used.bytes_written_per_event * 1e6)),
    ]);
    let per_batch_run = cpu(used.batch_cpu_s_per_event_read * kept) + writing(used.view_bytes_per_batch_run);
    let memory_hours = |bytes: f64, hours: f64| bytes / GIB * hours * prices.memory_gib_hour;
    let at_rest = |bytes: f64| bytes / GIB * prices.storage_gib_month;
    let standing = BTreeMap::from([
        ("memory".to_string(), memory_hours(run.cost.rss_bytes_max as f64, HOURS_PER_MONTH)),
        ("views".to_string(), at_rest(run.cost.view_bytes as f64)),
        ("log".to_string(), at_rest(used.log_bytes_per_event * kept)),
    ]);
    let longer = if used.events_recomputed > 0.0 { kept / used.events_recomputed } else { 0.0 };
    let per_change = BTreeMap::from([
        ("cpu".to_string(), cpu(used.change_cpu_s * longer)),
        ("writing".to_string(), writing(used.change_bytes_written)),
        ("space".to_string(), memory_hours(run.extra_storage_bytes_max as f64, used.change_hours * longer)),
    ]);

    let sum = |parts: &BTreeMap<String, f64>| parts.values().sum::<f64>();
    let millions = month.events_per_day * DAYS_PER_MONTH / 1e6;
    let batch_runs = per_batch_run * month.batch_runs_per_day * DAYS_PER_MONTH;
    let changes = sum(&per_change) * month.changes_per_month;
    let whole = BTreeMap::from([
        ("events".to_string(), sum(&per_million) * millions),
        ("batch_runs".to_string(), batch_runs),
        ("standing".to_string(), sum(&standing)),
        ("changes".to_string(), changes),
    ]);
    let total = sum(&whole);
    let share = |amount: f64| if millions > 0.0 { amount / millions } else { 0.0 };
    run.cost.money_per_million_events = share(total);
    let standing_shares = standing.iter().map(|(part, amount)| (part.clone(), share(*amount)));
    let others = [("batch_runs".to_string(), share(batch_runs)), ("changes".to_string(), share(changes))];
    run.cost.money_by_part = per_million.clone().into_iter().chain(standing_shares).chain(others).collect();
    run.cost.money = Money {
        per_million_events: per_million,
        per_batch_run,
        standing_per_month: standing,
        per_change,
        month: whole,
        month_total: total,
    };
}

/// What a run used, apart: the coefficients that money is told by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// CPU seconds of live traffic, without batch runs and the change.
    pub cpu_s_per_event: f64,
    /// Likewise handed to the file system.
    pub bytes_written_per_event: f64,
    /// CPU seconds of the batch layer; 0 without one.
    pub batch_cpu_s_per_event_read: f64,
    /// Written by one batch run.
    pub view_bytes_per_batch_run: f64,
    /// Of the log at rest.
    pub log_bytes_per_event: f64,
    /// CPU seconds of the change, over what live traffic would have taken meanwhile.
    pub change_cpu_s: f64,
    /// Likewise written.
    pub change_bytes_written: f64,
    /// How long the change took.
    pub change_hours: f64,
    /// Events that the change read: batch run and catch-up.
    pub events_recomputed: f64,
}

/// The coefficients of one run.
pub fn usage(run: &RunResult) -> Usage {
    let cost = &run.cost;
    let log_bytes_per_event = cost.log_bytes_per_event_at_rest.unwrap_or(cost.log_bytes as f64 / run.events as f64);
    let Some(Phases { load, live, change }) = &cost.phases else {
        return Usage {
            cpu_s_per_event: cost.cpu_s_per_million_events.total / 1e6,
            bytes_written_per_event: cost.bytes_written as f64 / run.events as f64,
            batch_cpu_s_per_event_read: 0.0,
            view_bytes_per_batch_run: 0.0,
            log_bytes_per_event,
            change_cpu_s: 0.0,
            change_bytes_written: 0.0,
            change_hours: 0.0,
            events_recomputed: 0.0,
        };
    };
    let deployed = run.marks.iter().find(|mark| matches!(mark.what, Happening::Deploy { .. }));
    let in_change = |at_ms: f64| deployed.is_some_and(|mark| at_ms >= mark.at_ms && mark.until_ms.is_none_or(|until| at_ms < until));
    let (mut runs, mut events_read, mut view_bytes_written, mut recomputed) = (0.0, 0.0, 0.0, 0.0);
    for mark in &run.marks {
        match mark.what {
            Happening::BatchRun { events, .. } if in_change(mark.at_ms) => recomputed += events as f64,
            Happening::CatchUp { events, .. } if in_change(mark.at_ms) => recomputed += events as f64,
            Happening::BatchRun { events, view_bytes, .. } if mark.at_ms >= 0.0 => {
                runs += 1.0;
                events_read += events as f64;
                view_bytes_written += view_bytes as f64;
            }
            _ => {}
        }
    }
    let total = |phase: &PhaseCosts| phase.cpu_s.iter().filter(|(layer, _)| *layer != "load").map(|(_, seconds)| seconds).sum::<f64>();
    let batch_cpu_s = if runs > 0.0 { live.cpu_s.get("batch").copied().unwrap_or(0.0) } else { 0.0 };
    let per_event = |amount: f64| if live.events > 0 { amount.max(0.0) / live.events as f64 } else { 0.0 };
    // What live traffic would have taken in the time of the change.
    let meanwhile = |amount: f64| if live.duration_ms > 0.0 { amount / live.duration_ms * change.duration_ms } else { 0.0 };
    Usage {
        cpu_s_per_event: per_event(total(live) - batch_cpu_s),
        bytes_written_per_event: per_event(live.bytes_written as f64 - view_bytes_written),
        batch_cpu_s_per_event_read: if events_read > 0.0 { batch_cpu_s / events_read } else { 0.0 },
        view_bytes_per_batch_run: if runs > 0.0 { view_bytes_written / runs } else { 0.0 },
        log_bytes_per_event,
        change_cpu_s: (total(change) - meanwhile(total(live))).max(0.0),
        change_bytes_written: (change.bytes_written as f64 - meanwhile(live.bytes_written as f64)).max(0.0),
        change_hours: change.duration_ms / 3.6e6,
        events_recomputed: if recomputed > 0.0 { recomputed } else { load.events as f64 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Cost, LayerCost, Mark, Month};
    use crate::sample::sample;

    fn prices() -> Prices {
        Prices {
            currency: "EUR".into(),
            cpu_hour: 36.0,
            memory_gib_hour: 2.0,
            storage_gib_month: 4.0,
            written_gib: 0.5,
            source: "test".into(),
        }
    }

    /// A million events a day, of which the log keeps two.
    fn settings() -> Settings {
        let month = Month { events_per_day: 1e6, retention_days: 2.0, changes_per_month: 3.0, batch_runs_per_day: 2.0 };
        Settings { prices: prices(), month, ..sample().settings }
    }

    fn phase(duration_ms: f64, events: u64, cpu: &[(&str, f64)], bytes_written: u64) -> PhaseCosts {
        let cpu_s = cpu.iter().map(|(layer, seconds)| (layer.to_string(), *seconds)).collect();
        PhaseCosts { duration_ms, events, cpu_s, bytes_written }
    }

    /// 10 s of live traffic with two batch runs, and 5 s of change; every figure is chosen for the sums below.
    fn run() -> RunResult {
        let batch_run = |version, at_ms| Mark {
            what: Happening::BatchRun { version, barrier: 1, events: 500_000, view_bytes: 1 << 29 },
            at_ms,
            until_ms: Some(at_ms + 100.0),
        };
        RunResult {
            events: 1_500_000,
            extra_storage_bytes_max: 1 << 29,
            marks: vec![
                batch_run(1, -50.0),
                batch_run(1, 1_000.0),
                batch_run(1, 3_000.0),
                Mark { what: Happening::Deploy { version: 2 }, at_ms: 5_000.0, until_ms: Some(10_000.0) },
                batch_run(2, 5_000.0),
                batch_run(2, 10_000.0),
            ],
            cost: Cost {
                rss_bytes_max: 3 << 30,
                view_bytes: 1 << 30,
                log_bytes: 99 << 30,
                log_bytes_per_event_at_rest: Some(1024.0),
                phases: Some(Phases {
                    load: phase(4_000.0, 1_000_000, &[("speed", 77.0)], 7 << 30),
                    live: phase(10_000.0, 400_000, &[("speed", 2.0), ("log", 1.0), ("batch", 6.0), ("load", 50.0)], 4 << 30),
                    change: phase(5_000.0, 100_000, &[("speed", 3.0), ("batch", 6.5), ("load", 50.0)], 3 << 30),
                }),
                ..Cost::default()
            },
            ..RunResult::default()
        }
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found}, where {expected} is expected");
    }

    #[test]
    fn the_month_by_hand() {
        let mut run = run();
        charge(&mut run, &settings());
        let money = &run.cost.money;
        // 3 s of speed and log for 0.4 million events: 7.5 s a million, at a cent a second.
        near(money.per_million_events["cpu"], 0.075);
        // 4 GiB less three views of half a GiB (the one before the start is not of the phase): 2.5 GiB for 0.4 million events.
        near(money.per_million_events["writing"], 2.5 / 0.4 * 0.5);
        // 6 s for three runs over half a million events: 4 µs an event; the log keeps two million; and a view of half a GiB.
        near(money.per_batch_run, 8.0 * 0.01 + 0.25);
        near(money.standing_per_month["memory"], 3.0 * 730.5 * 2.0);
        near(money.standing_per_month["views"], 4.0);
        near(money.standing_per_month["log"], 2e6 * 1024.0 / GIB * 4.0);
        // 9.5 s less half of the 9 s of live traffic: 5 s over half a million events, four times that over the log.
        near(money.per_change["cpu"], 5.0 * 4.0 * 0.01);
        // 3 GiB less half of 4.
        near(money.per_change["writing"], 0.5);
        near(money.per_change["space"], 0.5 * 2.0 * 5.0 * 4.0 / 3600.0);
        let millions = 30.4375;
        near(money.month["events"], (0.075 + 3.125) * millions);
        near(money.month["batch_runs"], 0.33 * 2.0 * 30.4375);
        near(money.month["standing"], 4383.0 + 4.0 + 2e6 * 1024.0 / GIB * 4.0);
        near(money.month["changes"], 3.0 * (0.2 + 0.5 + 20.0 / 3600.0));
        near(money.month_total, money.month.values().sum());
        near(run.cost.money_per_million_events, money.month_total / millions);
        near(run.cost.money_by_part.values().sum(), run.cost.money_per_million_events);
    }

    #[test]
    fn a_slow_trickle_does_not_make_the_log_dear() {
        let (mut full, mut trickle) = (run(), run());
        trickle.cost.log_bytes *= 10;
        charge(&mut full, &settings());
        charge(&mut trickle, &settings());
        assert_eq!(full.cost.money, trickle.cost.money);
    }

    #[test]
    fn each_part_of_the_month_follows_what_it_is_made_of() {
        let total = |change: &dyn Fn(&mut Settings)| {
            let (mut run, mut settings) = (run(), settings());
            change(&mut settings);
            charge(&mut run, &settings);
            run.cost.money
        };
        let base = total(&|_| {});
        let busy = total(&|s| s.month.events_per_day *= 2.0);
        near(busy.month["events"], 2.0 * base.month["events"]);
        assert!(busy.month["changes"] > base.month["changes"] && busy.month["standing"] > base.month["standing"]);
        let kept = total(&|s| s.month.retention_days *= 2.0);
        near(kept.standing_per_month["log"], 2.0 * base.standing_per_month["log"]);
        near(kept.month["events"], base.month["events"]);
        near(kept.per_change["cpu"], 2.0 * base.per_change["cpu"]);
        near(total(&|s| s.month.changes_per_month = 0.0).month["changes"] + 1.0, 1.0);
        near(total(&|s| s.month.batch_runs_per_day *= 3.0).month["batch_runs"], 3.0 * base.month["batch_runs"]);
    }

    #[test]
    fn without_phases_all_is_live_traffic() {
        let mut run = run();
        run.cost.phases = None;
        run.cost.log_bytes_per_event_at_rest = None;
        run.cost.cpu_s_per_million_events = LayerCost { total: 3.0, by_layer: BTreeMap::new() };
        run.cost.bytes_written = 3 << 30;
        charge(&mut run, &settings());
        near(run.cost.money.per_million_events["cpu"], 0.03);
        near(run.cost.money.per_million_events["writing"], 1.0);
        near(run.cost.money.standing_per_month["log"], 99.0 / 1.5 * 2.0 * 4.0);
        assert_eq!((run.cost.money.per_batch_run, run.cost.money.month["changes"]), (0.0, 0.0));
    }

    #[test]
    fn a_change_that_replays_is_told_by_what_it_read() {
        let mut run = run();
        run.marks.retain(|mark| !matches!(mark.what, Happening::BatchRun { .. }));
        run.marks.push(Mark { what: Happening::CatchUp { version: 2, events: 250_000 }, at_ms: 5_010.0, until_ms: Some(9_000.0) });
        charge(&mut run, &settings());
        near(run.cost.money.per_change["cpu"], 5.0 * 8.0 * 0.01);
        // Without a batch run, what the batch layer used is live traffic's.
        near(run.cost.money.per_million_events["cpu"], 9.0 / 0.4 * 0.01);
        assert_eq!(run.cost.money.per_batch_run, 0.0);
        // Without a mark, it was the history.
        run.marks.pop();
        charge(&mut run, &settings());
        near(run.cost.money.per_change["cpu"], 5.0 * 2.0 * 0.01);
    }

    #[test]
    fn what_there_was_none_of_costs_nothing() {
        let charged = |change: &dyn Fn(&mut RunResult, &mut Settings)| {
            let (mut run, mut settings) = (run(), settings());
            change(&mut run, &mut settings);
            charge(&mut run, &settings);
            run.cost
        };
        // A month without events has nothing that it could be shared out over.
        let idle = charged(&|_, settings| settings.month.events_per_day = 0.0);
        assert_eq!((idle.money_per_million_events, idle.money.month["events"], idle.money.per_change["cpu"]), (0.0, 0.0, 0.0));
        near(idle.money.month_total, 4383.0 + 4.0 + 3.0 * 0.5 + 0.25 * 2.0 * 30.4375);
        // Where no live traffic was seen, all that was used meanwhile is the change's.
        let at_once = charged(&|run, _| run.cost.phases.as_mut().unwrap().live = phase(0.0, 0, &[("speed", 2.0)], 1 << 30));
        assert_eq!((at_once.money.per_million_events["cpu"], at_once.money.per_million_events["writing"]), (0.0, 0.0));
        near(at_once.money.per_change["cpu"], 9.5 * 4.0 * 0.01);
        near(at_once.money.per_change["writing"], 1.5);
        // A batch run that begins with the live traffic is of it.
        let first = charged(&|run, _| run.marks[0].at_ms = 0.0);
        near(first.money.per_million_events["writing"], 2.0 / 0.4 * 0.5);
        near(first.money.per_batch_run, 3.0 * 2.0 * 0.01 + 0.25);
    }

    #[test]
    fn a_run_without_events_is_not_charged() {
        let mut run = RunResult::default();
        charge(&mut run, &settings());
        assert_eq!(run.cost.money, Money::default());
    }

    #[test]
    fn bundled_prices_read_and_bad_ones_are_refused() {
        let bundled = read_prices(None).unwrap();
        assert!(bundled.source.contains("edit to yours"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.toml");
        std::fs::write(&file, BUNDLED.replace("cpu_hour = 0.040", "cpu_hour = -1")).unwrap();
        let message = read_prices(Some(&file)).unwrap_err().to_string();
        assert!(message.contains("cpu_hour = -1, where 0 or more is expected"), "{message}");
        std::fs::write(&file, BUNDLED.replace("cpu_hour = 0.040", "cpu_hour = inf")).unwrap();
        assert!(read_prices(Some(&file)).is_err());
        std::fs::write(&file, BUNDLED.replace("cpu_hour = 0.040", "cpu_hour = 0")).unwrap();
        assert_eq!(read_prices(Some(&file)).unwrap().cpu_hour, 0.0);
        std::fs::write(&file, "currency = 'USD'\n").unwrap();
        assert!(read_prices(Some(&file)).unwrap_err().to_string().contains("cpu_hour"));
        let message = read_prices(Some(&dir.path().join("none.toml"))).unwrap_err().to_string();
        assert!(message.contains("--prices"), "{message}");
    }
}
