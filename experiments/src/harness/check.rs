//! Every recorded answer against the reference interpreter, rolled forward over the log in the answers' order.
//!
//! The truth is version 2 of the query. An answer is *wrong* where it differs from the truth at its own position; *wrong by the
//! engine* where it differs from what its own version's query gives there (then Twopath has a bug); *outdated* where it differs from
//! the truth over everything that was intended to have arrived when it was read.

use std::collections::HashMap;
use std::thread;

use twopath_base::{Offset, Position};
use twopath_log::{Entry, LogError, PartitionReader, Records, Start, Topic};
use twopath_query::values::rows;
use twopath_query::{AggregateFunction, DataType, ExprKind, NamedExpr, Query, Value};
use twopath_reference::{Reference, compare};

use super::load::Arrivals;
use super::probe::Recorded;
use crate::architectures::Job;

/// What was found about one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Verdict {
    pub wrong: bool,
    pub wrong_engine: bool,
    pub outdated: bool,
    /// Of a wrong answer: the largest |given - right| of the measured column over its rows. A row that is missing on either side
    /// counts by the other's value.
    pub error: f64,
}

/// A point in the log at which an answer is to be compared, and the answer's number.
struct Target {
    position: Position,
    answer: usize,
}

/// What came of one comparison.
struct Compared {
    answer: usize,
    differs: bool,
    error: f64,
}

/// The verdict on each answer, in their order.
pub fn check(topic: &Topic, job: &Job, arrivals: &Arrivals, answers: &[Recorded]) -> Result<Vec<Verdict>, LogError> {
    let own = |versions: &[u32]| -> Vec<Target> {
        let chosen = answers.iter().enumerate().filter(|(_, a)| versions.contains(&a.version));
        chosen.map(|(answer, a)| Target { position: a.position.clone(), answer }).collect()
    };
    let arrived = answers.iter().enumerate().map(|(answer, a)| Target { position: arrivals.position_at(a.read_us), answer });
    // Within one list positions are ordered: a version never goes back, and what has arrived stays.
    let by_v1 = vec![own(&[1])];
    let by_v2 = vec![own(&[1]), own(&[2]), arrived.collect()];

    let base = answers.iter().map(|a| &a.position).fold(arrivals.base.clone(), |base, p| base.meet(p));
    let run = |query: &Query, lists: Vec<Vec<Target>>| -> Result<Vec<Vec<Compared>>, LogError> {
        let mut history = Reference::new(query.clone());
        push(&mut history, &mut readers(topic, &Position::zero(base.partitions()))?, &base)?;
        lists.into_iter().map(|targets| compare_along(history.clone(), query, topic, &base, targets, answers)).collect()
    };
    let (v1, v2) = thread::scope(|scope| {
        let v1 = scope.spawn(|| if job.has_fix() { run(&job.v1.query, by_v1) } else { Ok(vec![Vec::new()]) });
        let v2 = run(&job.v2.query, by_v2);
        (v1.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), v2)
    });
    let (v1, v2) = (v1?, v2?);

    let mut verdicts = vec![Verdict::default(); answers.len()];
    for c in &v1[0] {
        verdicts[c.answer].wrong_engine = c.differs;
    }
    for c in v2[0].iter().chain(&v2[1]) {
        let verdict = &mut verdicts[c.answer];
        (verdict.wrong, verdict.error) = (c.differs, c.error);
        if answers[c.answer].version == 2 || !job.has_fix() {
            verdict.wrong_engine = c.differs;
        }
    }
    for c in &v2[2] {
        verdicts[c.answer].outdated = c.differs;
    }
    Ok(verdicts)
}

/// Rolls the reference forward from `base` and compares each answer at its target.
fn compare_along(
    mut reference: Reference,
    query: &Query,
    topic: &Topic,
    base: &Position,
    mut targets: Vec<Target>,
    answers: &[Recorded],
) -> Result<Vec<Compared>, LogError> {
    targets.sort_by_key(|t| t.position.records());
    let measured = measured_column(query);
    let mut at = base.clone();
    let mut readers = readers(topic, base)?;
    let mut compared = Vec::with_capacity(targets.len());
    for target in targets {
        assert!(target.position.covers(&at), "answers of one version went back from {at} to {}", target.position);
        push(&mut reference, &mut readers, &target.position)?;
        at = target.position;
        let answer = &answers[target.answer];
        let right = match &answer.key {
            Some(key) => reference.answer_key(key).map(|row| row.into_iter().collect()),
            None => reference.answer(),
        };
        let given = rows(&answer.rows);
        let differs = compare(query, &right, &given).is_err();
        let error = match (measured, given, right) {
            (Some(column), Ok(given), Ok(right)) if differs => largest_error(query, column, &given, &right),
            _ => 0.0,
        };
        compared.push(Compared { answer: target.answer, differs, error });
    }
    Ok(compared)
}

/// A partition that is read once, piece by piece.
struct Reading {
    reader: PartitionReader,
    /// Of the next record to be handed on.
    at: Offset,
    /// What was read beyond it.
    left: Option<Records>,
}

fn readers(topic: &Topic, from: &Position) -> Result<Vec<Reading>, LogError> {
    let open = |(p, at)| Ok(Reading { reader: topic.reader(p, Start::Offset(at), None)?, at, left: None });
    from.iter().map(open).collect()
}

/// Feeds the reference with what lies between where the readers are and a position, which the log reaches.
fn push(reference: &mut Reference, readers: &mut [Reading], to: &Position) -> Result<(), LogError> {
    for (reading, end) in readers.iter_mut().zip(to.offsets()) {
        while reading.at < *end {
            let records = match reading.left.take() {
                Some(left) => left,
                None => match reading.reader.next()? {
                    Some(Entry::Records(records)) => records,
                    Some(Entry::Barrier(_)) => continue,
                    None => panic!("an answer covers {end}, and the log ends at {}", reading.at),
                },
            };
            let piece = records.clone().cut(reading.at, *end);
            reference.push(&piece.batch);
            reading.at = piece.end;
            reading.left = (records.end > reading.at).then(|| records.cut(piece.end, Offset(u64::MAX)));
        }
    }
    Ok(())
}

/// The output column whose error is measured: the first number made of an aggregate that is not a count, else of any.
fn measured_column(query: &Query) -> Option<usize> {
    let measures = |output: &NamedExpr, counts: bool| {
        let mut measured = false;
        output.expr.visit(&mut |e| {
            if let ExprKind::Column(i) = e.kind {
                let aggregate = i.checked_sub(query.keys.len()).map(|i| query.aggregates[i].function);
                measured |= aggregate.is_some_and(|f| counts || f != AggregateFunction::Count);
            }
        });
        measured
            && matches!(
                output.expr.data_type,
                DataType::Int | DataType::Float | DataType::Numeric | DataType::Decimal { .. } | DataType::Interval
            )
    };
    let first = |counts| query.output.iter().position(|output| measures(output, counts));
    first(false).or_else(|| first(true))
}

/// The largest |given - right| of a column over rows with the same keys.
fn largest_error(query: &Query, column: usize, given: &[Vec<Value>], right: &[Vec<Value>]) -> f64 {
    let is_key = |output: &NamedExpr| matches!(output.expr.kind, ExprKind::Column(i) if i < query.keys.len());
    let keys: Vec<usize> = (0..query.output.len()).filter(|&c| is_key(&query.output[c])).collect();
    let keyed = |rows: &[Vec<Value>]| -> HashMap<String, f64> {
        let key = |row: &Vec<Value>| keys.iter().map(|&c| format!("{:?};", row[c])).collect();
        rows.iter().map(|row| (key(row), number(&row[column]))).collect()
    };
    let (given, right) = (keyed(given), keyed(right));
    let of_given = given.iter().map(|(key, g)| (g - right.get(key).unwrap_or(&0.0)).abs());
    let of_missing = right.iter().filter(|(key, _)| !given.contains_key(*key)).map(|(_, r)| r.abs());
    of_given.chain(of_missing).fold(0.0, f64::max)
}

/// Intervals in microseconds; NULL is 0.
fn number(value: &Value) -> f64 {
    match value {
        Value::Int(v) | Value::Interval(v) => *v as f64,
        Value::Numeric(v) => *v as f64,
        Value::Decimal(v) => v.unscaled as f64 / 10f64.powi(v.scale.into()),
        Value::Float(v) => *v,
        _ => 0.0,
    }
}
