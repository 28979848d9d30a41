//! `change`: what would the new version change? Version 2 stands beside version 1 and readers are not on it; the difference of their answers is
//! told group by group, with the events behind it, and a gate keeps the readers where they are if it is too much.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Float64Array, StringArray, UInt64Array};
use twopath_events::workloads::{Workload, flights};
use twopath_log::{Durability, Log, Topic};
use twopath_query::Value;
use twopath_reference::Reference;
use twopath_results::scenario::{Cell, Figure, Table, Verdict};

use super::{Lab, Notes, Scenario, ScenarioError};
use crate::standing::{Deployment, Diff, Reads, StandingJob};

pub const SCENARIO: Scenario = Scenario {
    name: "change",
    asks: "What would the new version change, before anybody sees it?",
    says: "With both versions' tables side by side, the effect of a code change is known exactly before readers are switched, and a change that \
           does more than it should can be stopped.",
    source: "J. Kreps, Questioning the Lambda Architecture (2014): two tables in parallel, reverting by pointing back",
    confirmed_by: "for every change tried, the groups that the diff names are exactly those in which two reference interpreters differ, and the \
                   gate of 1 % stops those that change more and lets the others pass",
    repeats: (5, 1),
    run,
};

/// The gate: more of the groups may not change.
const MAX_CHANGED: f64 = 0.01;
const ROWS: usize = 1 << 14;

/// A change of code: its name, the text before it, and after it.
type Change = (&'static str, String, String);

/// The built-in fix; the same query in other words; and one that changes little.
fn changes(workload: &Workload) -> Result<Vec<Change>, ScenarioError> {
    let query = workload.query(Some("delays_by_origin_hour"))?;
    let (v1, v2) = (query.sql(1).to_owned(), query.sql(2).to_owned());
    let reworded = v2.replace("minutes < -60", "NOT minutes >= -60");
    let further = v2.replace("minutes < -60", "minutes < -600");
    let totals = workload.query(Some("totals_by_route"))?.sql(1).to_owned();
    // Which is flown in winter only.
    let without = totals.replace("FROM flights", "FROM flights WHERE dest <> 'EGE'");
    Ok(vec![
        ("the fix", v1, v2.clone()),
        ("the same in other words", v2.clone(), reworded),
        ("another threshold", v2, further),
        ("one destination left out", totals, without),
    ])
}

fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let workload = flights();
    let events = lab.pick(300_000, 10_000);
    let scratch = lab.scratch()?;
    let topic = filled(&workload, scratch.path(), events)?;
    let (mut exact, mut stopped_rightly) = (true, true);
    let mut rows: Vec<Vec<Cell>> = vec![];
    let (mut names, mut groups, mut shares, mut took) = (vec![], vec![], vec![], vec![]);
    for (name, before, after) in changes(&workload)? {
        lab.step(name)?;
        let mut times = vec![];
        let mut diff = None;
        for repeat in 0..lab.repeats {
            let job = StandingJob::named(scratch.path(), &format!("{}-{repeat}", name.replace(' ', "-")));
            deploy(&job, &topic, &before)?;
            job.cutover(1).map_err(|e| ScenarioError::Answer(e.to_string()))?;
            deploy(&job, &topic, &after)?;
            let began = Instant::now();
            diff = Some(job.diff(1, 2, 3).map_err(|e| ScenarioError::Answer(e.to_string()))?);
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let diff = diff.expect("one repeat or more");
        let truth = by_reference(&workload, events, (&before, &after))?;
        let counted = (diff.groups, diff.added, diff.removed, diff.changed);
        exact &= counted == truth;
        let share = (truth.1 + truth.2 + truth.3) as f64 / truth.0.max(1) as f64;
        let stops = diff.changed_share() > MAX_CHANGED;
        stopped_rightly &= stops == (share > MAX_CHANGED);
        notes.figures.push(Figure::exact("groups", name, "count", counted.0 as f64));
        notes.figures.push(Figure::exact("changed_share", name, "share", diff.changed_share()));
        notes.figures.push(Figure::exact("largest_difference", name, "number", largest(&diff)));
        notes.figures.push(Figure::measured("time_to_diff", name, "ms", &times, lab.seed));
        rows.push(vec![
            name.into(),
            (counted.0 as f64, "count").into(),
            (counted.1 as f64, "count").into(),
            (counted.2 as f64, "count").into(),
            (counted.3 as f64, "count").into(),
            (diff.changed_share(), "share").into(),
            if counted == truth { "the same" } else { "ANOTHER" }.into(),
            if stops { "stopped" } else { "let through" }.into(),
        ]);
        for time in &times {
            names.push(name);
            groups.push(counted.0);
            shares.push(diff.changed_share());
            took.push(*time);
        }
        if let Some(example) = diff.examples.first() {
            notes.findings.push(format!("{name}: {}", told(example)));
        }
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("change", Arc::new(StringArray::from(names))),
        ("groups", Arc::new(UInt64Array::from(groups))),
        ("changed_share", Arc::new(Float64Array::from(shares))),
        ("diff_ms", Arc::new(Float64Array::from(took))),
    ];
    lab.samples(notes, "change", columns)?;
    notes.tables.push(Table {
        title: format!("Version 2 against version 1, over {events} events"),
        columns: ["change", "groups", "come", "go", "change", "share", "by two references", "a gate of 1 %"].map(String::from).to_vec(),
        rows,
    });
    let told = |right: bool, yes: &'static str, no: &'static str| if right { yes } else { no };
    notes.conclude(
        Verdict::of(exact && stopped_rightly),
        format!(
            "The diff {} what two reference interpreters differ in, and the gate {}.",
            told(exact, "names exactly", "does not name"),
            told(stopped_rightly, "stopped what it should and nothing else", "decided wrongly")
        ),
    );
    Ok(())
}

fn filled(workload: &Workload, dir: &Path, events: u64) -> Result<Topic, ScenarioError> {
    let topic = Log::open(dir)?.create_topic(workload.topic_config(2, Durability::None))?;
    let writer = topic.writer()?;
    let mut next = 0;
    while next < events {
        let batch = workload.batch(next, ROWS.min((events - next) as usize));
        writer.append(&batch)?;
        next += batch.num_rows() as u64;
    }
    writer.close()?;
    Ok(topic)
}

fn deploy(job: &StandingJob, topic: &Topic, sql: &str) -> Result<(), ScenarioError> {
    let failed = |e: crate::standing::JobError| ScenarioError::Answer(e.to_string());
    let reads = Reads::of(sql, vec![topic.clone()])?;
    let standing = job.deploy(reads, sql, &Deployment::default()).map_err(failed)?;
    standing.catch_up(|_| true).map_err(failed)?;
    job.save(&standing).map_err(failed)?;
    standing.stop().map_err(failed)
}

/// Groups of either, and of them those that come, go and change, by two interpreters that share nothing with the jobs.
fn by_reference(workload: &Workload, events: u64, (before, after): (&str, &str)) -> Result<(u64, u64, u64, u64), ScenarioError> {
    let answer = |sql: &str| -> Result<BTreeMap<String, Vec<Value>>, ScenarioError> {
        let query = twopath_query::parse(sql, &workload.name, &workload.schema)?;
        // The changes here keep their keys in front.
        let keys = query.keys.len();
        let mut reference = Reference::new(query);
        reference.push(&workload.batch(0, events as usize));
        let rows = reference.answer().map_err(|e| ScenarioError::Answer(e.to_string()))?;
        Ok(rows.into_iter().map(|row| (format!("{:?}", &row[..keys]), row)).collect())
    };
    let (old, new) = (answer(before)?, answer(after)?);
    let gone = old.keys().filter(|key| !new.contains_key(*key)).count() as u64;
    let come = new.keys().filter(|key| !old.contains_key(*key)).count() as u64;
    let changed = old.iter().filter(|(key, row)| new.get(*key).is_some_and(|now| now != *row)).count() as u64;
    Ok((old.len() as u64 + come, come, gone, changed))
}

fn largest(diff: &Diff) -> f64 {
    diff.columns.iter().filter_map(|column| column.largest).fold(0.0, f64::max)
}

/// The group that changes most, with an event behind it.
fn told(example: &crate::standing::Example) -> String {
    let show = |values: &[(String, Value)]| values.iter().map(|(name, v)| format!("{name} {}", plain(v))).collect::<Vec<_>>().join(", ");
    let side = |values: &Option<Vec<(String, Value)>>| values.as_deref().map_or("not there".into(), show);
    let behind = example
        .events
        .first()
        .map_or(String::new(), |(partition, offset, _)| format!("; behind it the event at partition {partition}, offset {offset}"));
    format!("{} becomes {}{behind}.", side(&example.before), side(&example.after))
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Text(text) => text.to_string(),
        Value::Timestamp(us) => twopath_events::files::iso(*us),
        Value::Float(f) => twopath_results::number::significant(*f),
        Value::Int(i) => i.to_string(),
        Value::Numeric(n) => n.to_string(),
        other => format!("{other:?}"),
    }
}
