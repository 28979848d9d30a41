//! `twice`: the price of logic written twice. The speed layer's code comes to differ from the batch layer's in one place, as it does in practice:
//! NULLs, a time zone, rounding, a duplicate, a late event, a window's edge. How long until the merged answer is wrong, how wrong, for how
//! long, and who notices? Nothing is timed: time here is the flights' own, in the order in which they became known.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twopath_events::workloads::{Workload, flights};
use twopath_query::{EvalError, Query, Value, values};
use twopath_reference::Reference;
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Line, Point, Table, Verdict};
use twopath_view::{GroupTable, Selection, answer};

use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "twice",
    asks: "What does it cost to write the logic twice, when one of the two comes to differ?",
    says: "Code that must give the same result in two systems is as painful as it seems: where the two differ, merged answers are wrong until \
           the batch catches up, again and again.",
    source: "J. Kreps, Questioning the Lambda Architecture (2014)",
    confirmed_by: "every divergence shows in merged answers, heals when a batch run takes over, and comes back; refuted where one never shows",
    repeats: (20, 2),
    run,
};

/// The query of both codes; each divergence changes one place of it.
const QUERY: &str = "\
WITH clocks AS (
       SELECT {time} AS at, origin, known, dep_time,
              dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100) AS minutes
       FROM flights
       WHERE {where}
     ),
     departures AS (
       SELECT at, origin, {delay} AS delay
       FROM clocks
     )
SELECT window_start AS hour, origin, SUM(delay) AS delay_sum, MAX(delay) AS delay_max, COUNT(*) AS departures
FROM TUMBLE(TABLE departures, DESCRIPTOR(at), INTERVAL '1' HOUR)
GROUP BY window_start, origin";

const TIME: &str = "sched_dep";
const WHERE: &str = "dep_time IS NOT NULL";
const DELAY: &str = "minutes + CASE WHEN minutes < -60 THEN 1440 ELSE 0 END";

/// In what the speed layer's code differs.
struct Divergence {
    name: &'static str,
    time: &'static str,
    r#where: &'static str,
    delay: &'static str,
    /// One event of so many comes twice; 0 for none.
    twice_every: usize,
}

const SAME: Divergence = Divergence { name: "none", time: TIME, r#where: WHERE, delay: DELAY, twice_every: 0 };

const DIVERGENCES: [Divergence; 6] = [
    Divergence { name: "NULLs", r#where: "TRUE", delay: "COALESCE(minutes + CASE WHEN minutes < -60 THEN 1440 ELSE 0 END, 0)", ..SAME },
    Divergence { name: "time zone", time: "sched_dep - INTERVAL '5' HOUR", ..SAME },
    Divergence { name: "rounding", delay: "(minutes + CASE WHEN minutes < -60 THEN 1440 ELSE 0 END) / 5 * 5", ..SAME },
    Divergence { name: "duplicate", twice_every: 100, ..SAME },
    Divergence { name: "late", r#where: "dep_time IS NOT NULL AND known <= sched_dep + INTERVAL '2' HOUR", ..SAME },
    Divergence { name: "window edge", time: "sched_dep - INTERVAL '1' SECOND", ..SAME },
];

/// Batch runs over the whole log, and looks at the merged answer from one to the next.
#[derive(Clone, Copy)]
struct Plan {
    runs: usize,
    looks: usize,
}

impl Divergence {
    fn query(&self, workload: &Workload) -> Result<Query, ScenarioError> {
        let sql = QUERY.replace("{time}", self.time).replace("{where}", self.r#where).replace("{delay}", self.delay);
        Ok(twopath_query::parse(&sql, &workload.name, &workload.schema)?)
    }

    /// What the speed layer makes of some events.
    fn update(&self, query: &Query, table: &mut GroupTable, batch: &RecordBatch, from: usize) -> Result<(), EvalError> {
        table.update_from_log(query, batch)?;
        for row in (0..batch.num_rows()).filter(|row| self.twice_every > 0 && (from + row).is_multiple_of(self.twice_every)) {
            table.update_from_log(query, &batch.slice(row, 1))?;
        }
        Ok(())
    }
}

/// A merged answer at one moment.
struct Look {
    events: usize,
    groups: u64,
    wrong: u64,
    /// Departures that it counts too many, or too few.
    departures_off: f64,
    /// The largest difference of a sum of delays, in minutes.
    delay_off: f64,
    /// The last batch run was right before it.
    handed_over: bool,
}

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let workload = flights();
    let (events, plan) = lab.pick((160_000, Plan { runs: 16, looks: 8 }), (6_400, Plan { runs: 8, looks: 4 }));
    let mut rng = ChaCha8Rng::seed_from_u64(lab.seed);
    let log = workload.batch(0, events);
    let right = SAME.query(&workload)?;
    check_against_reference(&right, &log)?;

    let mut rows: Vec<Vec<Cell>> = vec![];
    let mut lines: Vec<Line> = vec![];
    let mut raw: Vec<(&str, u32, Look)> = vec![];
    let (mut all_show, mut all_heal, mut all_return) = (true, true, true);
    for divergence in &DIVERGENCES {
        lab.step(divergence.name)?;
        let speed = divergence.query(&workload)?;
        let (mut until_wrong, mut wrong_share, mut groups_wrong, mut worst) = (vec![], vec![], vec![], 0.0_f64);
        let (mut shows, mut returns, mut heals) = (0, 0, true);
        for repeat in 0..lab.repeats {
            // The change is deployed at any moment of the first half.
            let deployed = rng.random_range(0..events / 2);
            let looks = merged(lab, divergence, (&right, &speed), &log, (plan, deployed))?;
            let after: Vec<&Look> = looks.iter().filter(|look| look.events > deployed).collect();
            let first = after.iter().find(|look| look.wrong > 0);
            shows += usize::from(first.is_some());
            until_wrong.extend(first.map(|look| (look.events - deployed) as f64));
            wrong_share.push(after.iter().filter(|look| look.wrong > 0).count() as f64 / after.len().max(1) as f64);
            groups_wrong.push(after.iter().map(|look| look.wrong as f64).sum::<f64>() / after.len().max(1) as f64);
            worst = after.iter().map(|look| look.departures_off.max(look.delay_off)).fold(worst, f64::max);
            heals &= after.iter().filter(|look| look.handed_over).all(|look| look.wrong == 0);
            let spells = looks.windows(2).filter(|pair| pair[0].wrong == 0 && pair[1].wrong > 0).count();
            returns += usize::from(spells > 1);
            if repeat == 0 {
                let point = |look: &&Look| Point::at(look.events as f64, look.wrong as f64);
                lines.push(Line { name: divergence.name.into(), points: after.iter().map(point).collect() });
            }
            raw.extend(looks.into_iter().map(|look| (divergence.name, repeat, look)));
        }
        let repeats = lab.repeats as usize;
        (all_show, all_heal, all_return) = (all_show && shows == repeats, all_heal && heals, all_return && returns == repeats);
        let of = divergence.name;
        let found = [
            Figure::measured("events_until_wrong", of, "events", &until_wrong, lab.seed),
            Figure::measured("looks_wrong", of, "share", &wrong_share, lab.seed),
            Figure::measured("groups_wrong_mean", of, "number", &groups_wrong, lab.seed),
            Figure::exact("largest_error", of, "number", worst),
        ];
        let cells = found.iter().map(|f| Cell::from((f.value, f.unit.as_str())));
        rows.push([Cell::from(of)].into_iter().chain(cells).chain([if heals { "yes" } else { "no" }.into()]).collect());
        notes.figures.extend(found);
    }
    // The same change in one code: there is nothing that it could differ from.
    let looks = merged(lab, &SAME, (&right, &right), &log, (plan, 0))?;
    notes.figures.push(Figure::exact("groups_wrong_mean", "one code", "number", looks.iter().map(|look| look.wrong as f64).sum()));

    keep_looks(lab, notes, &raw)?;
    notes.charts.push(Chart {
        title: "Wrong groups in the merged answer, one deployment each".into(),
        hint: format!(
            "Each batch run, of which there are {}, takes over what the speed layer had wrong; until the next one it is wrong again.",
            plan.runs
        ),
        x: Axis::linear("events since the log's start", "events"),
        y: Axis::linear("groups", "number"),
        lines,
    });
    let per_run = events / plan.runs;
    notes.tables.push(Table {
        title: format!("A divergence in the speed layer's code; a batch run every {per_run} events"),
        columns: ["in", "events until wrong", "looks that are wrong", "groups wrong, mean", "largest error", "right after each batch run"]
            .map(String::from)
            .to_vec(),
        rows,
    });
    notes.findings.push(format!(
        "Whoever compares what the speed layer had with what the batch run gives for the same events notices at the first hand-over, at most {per_run} events \
         after the deployment; whoever does not sees numbers that change back. With one code there is nothing to compare: a mistake in it is wrong \
         everywhere, and stays."
    ));
    let verdict = if all_show { Verdict::of(all_heal && all_return) } else { Verdict::Refuted };
    let told = |yes: bool| if yes { "all" } else { "not all" };
    let because = format!(
        "Of {} divergences, {} showed each time, {} healed at each hand-over, {} came back.",
        DIVERGENCES.len(),
        told(all_show),
        told(all_heal),
        told(all_return)
    );
    notes.conclude(verdict, because);
    Ok(())
}

/// Merged answers all along the log: the right code up to the last batch run, the speed layer's from there on, with the divergence from
/// `deployed` on.
fn merged(
    lab: &Lab,
    divergence: &Divergence,
    (right, speed): (&Query, &Query),
    log: &RecordBatch,
    (plan, deployed): (Plan, usize),
) -> Result<Vec<Look>, ScenarioError> {
    let step = log.num_rows() / (plan.runs * plan.looks);
    let mut batch = GroupTable::new(right);
    // Since the last batch run: by the right code, and by the speed layer's.
    let (mut since, mut realtime) = (GroupTable::new(right), GroupTable::new(right));
    let mut looks = vec![];
    for look in 1..=plan.runs * plan.looks {
        lab.go_on()?;
        let (from, to) = ((look - 1) * step, look * step);
        let rows = log.slice(from, to - from);
        since.update_from_log(right, &rows).map_err(failed)?;
        let before = deployed.clamp(from, to) - from;
        realtime.update_from_log(right, &rows.slice(0, before)).map_err(failed)?;
        divergence.update(speed, &mut realtime, &rows.slice(before, rows.num_rows() - before), from + before).map_err(failed)?;
        let handed_over = look.is_multiple_of(plan.looks);
        if handed_over {
            batch.merge(&since);
            (since, realtime) = (GroupTable::new(right), GroupTable::new(right));
        }
        let given = groups(right, &[&batch, &realtime]).map_err(failed)?;
        let truth = groups(right, &[&batch, &since]).map_err(failed)?;
        looks.push(compare(&given, &truth, to, handed_over));
    }
    Ok(looks)
}

fn failed(error: EvalError) -> ScenarioError {
    ScenarioError::Answer(error.to_string())
}

/// An answer by its groups: sum of delays, greatest delay, departures.
fn groups(query: &Query, parts: &[&GroupTable]) -> Result<BTreeMap<String, [f64; 3]>, EvalError> {
    let number = |value: &Value| match value {
        Value::Int(i) => *i as f64,
        Value::Numeric(n) => *n as f64,
        _ => 0.0,
    };
    let rows = values::rows(&answer(query, parts, &Selection::default())?)?;
    Ok(rows.iter().map(|row| (format!("{:?}", &row[..2]), [number(&row[2]), number(&row[3]), number(&row[4])])).collect())
}

fn compare(given: &BTreeMap<String, [f64; 3]>, truth: &BTreeMap<String, [f64; 3]>, events: usize, handed_over: bool) -> Look {
    let mut look = Look { events, groups: truth.len() as u64, wrong: 0, departures_off: 0.0, delay_off: 0.0, handed_over };
    let nothing = [0.0; 3];
    let only_given = given.keys().filter(|key| !truth.contains_key(*key));
    for key in truth.keys().chain(only_given) {
        let (is, should) = (given.get(key).unwrap_or(&nothing), truth.get(key).unwrap_or(&nothing));
        if is != should || !given.contains_key(key) || !truth.contains_key(key) {
            look.wrong += 1;
            look.departures_off = look.departures_off.max((is[2] - should[2]).abs());
            look.delay_off = look.delay_off.max((is[0] - should[0]).abs());
        }
    }
    look
}

/// That the right code is what the reference interpreter has, over the whole log.
fn check_against_reference(query: &Query, log: &RecordBatch) -> Result<(), ScenarioError> {
    let mut table = GroupTable::new(query);
    table.update_from_log(query, log).map_err(failed)?;
    let mut reference = Reference::new(query.clone());
    reference.push(log);
    let given = answer(query, &[&table], &Selection::default()).and_then(|rows| values::rows(&rows)).map_err(failed)?;
    if given == reference.answer().map_err(failed)? {
        return Ok(());
    }
    Err(ScenarioError::Answer("the compiled query and the reference interpreter differ; this is a bug, and no result is reported".into()))
}

fn keep_looks(lab: &Lab, notes: &mut Notes, raw: &[(&str, u32, Look)]) -> Result<(), ScenarioError> {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("divergence", Arc::new(StringArray::from_iter_values(raw.iter().map(|(name, ..)| *name)))),
        ("repeat", Arc::new(UInt64Array::from_iter_values(raw.iter().map(|(_, repeat, _)| u64::from(*repeat))))),
        ("events", Arc::new(UInt64Array::from_iter_values(raw.iter().map(|(.., look)| look.events as u64)))),
        ("groups", Arc::new(UInt64Array::from_iter_values(raw.iter().map(|(.., look)| look.groups)))),
        ("groups_wrong", Arc::new(UInt64Array::from_iter_values(raw.iter().map(|(.., look)| look.wrong)))),
        ("departures_off", Arc::new(Float64Array::from_iter_values(raw.iter().map(|(.., look)| look.departures_off)))),
        ("delay_off_minutes", Arc::new(Float64Array::from_iter_values(raw.iter().map(|(.., look)| look.delay_off)))),
        ("handed_over", Arc::new(BooleanArray::from_iter(raw.iter().map(|(.., look)| Some(look.handed_over))))),
    ];
    lab.samples(notes, "twice", columns)
}
