//! Every recorded answer against the reference interpreter, rolled forward over the log in the answers' order.
//!
//! The truth is version 2 of the query. An answer is *wrong* where it differs from the truth at its own position; *wrong by the
//! engine* where it differs from what its own version's query gives there (then Twopath has a bug; an answer that says that it is approximate is counted apart); *outdated* where it differs from
//! the truth over everything that was intended to have arrived when it was read.
//!
//! No answer is left out, and none costs more than what changed since the one before it: the reference keeps a [`Digest`] of its groups as it
//! rolls forward, and a full answer is compared row by row only where its digest is another one. What has been shown to be the reference's
//! answer is from then on judged by the reference's digests alone. In memory at once: the truth about the history, and a copy of it for
//! each of three rolls ([`Truth`]), of which two are of version 2 alone; of the answers, one per thread. (A fourth roll judges the answers that were not right at their
//! own position, which are few.)

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use twopath_base::{Offset, Position};
use twopath_log::{Entry, LogError, PartitionReader, Records, Start, Topic};
use twopath_query::values::rows;
use twopath_query::{AggregateFunction, DataType, EvalError, ExprKind, NamedExpr, Query, Value};
use twopath_reference::{Digest, Reference, compare, digest};

use super::RunError;
use super::load::Arrivals;
use super::recording::{Recorded, Recording, StoredAnswers};
use crate::systems::Job;

/// What was found about one answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    pub wrong: bool,
    pub wrong_engine: bool,
    /// It differs so, and had said that it is approximate: what is right is what it leaves out.
    pub wrong_approximate: bool,
    pub outdated: bool,
    /// Of a wrong answer: the largest |given - right| of the measured column over its rows. A row that is missing on either side
    /// counts by the other's value.
    pub error: f64,
    /// The same against what its own version's query gives.
    pub error_own: f64,
    /// Of a full answer that is wrong so and says that it is approximate: the rows in which the measured column is wrong or that are missing or too many, each by a hash of its key.
    pub wrong_rows: Vec<u64>,
}

/// What the reference makes of both versions of a job, up to a position. Made once of a history, and rolled on for each run over it.
#[derive(Clone)]
pub struct Truth {
    job: Job,
    at: Position,
    /// Of version 1; none where there is nothing to fix.
    v1: Option<Reference>,
    v2: Reference,
    errors: Errors,
}

impl Truth {
    /// Over nothing yet.
    pub fn new(job: &Job, partitions: usize) -> Self {
        let reference = |query: &Query| {
            let mut reference = Reference::new(query.clone());
            reference.keep_digest();
            reference
        };
        let v1 = job.has_fix().then(|| reference(&job.v1.query));
        Truth { job: job.clone(), at: Position::zero(partitions), v1, v2: reference(&job.v2.query), errors: Errors::default() }
    }

    /// Of everything in a topic below a position.
    pub fn over(job: &Job, topic: &Topic, to: &Position) -> Result<Self, LogError> {
        let mut truth = Truth::new(job, topic.partitions());
        let start = truth.at.clone();
        let Truth { v1, v2, .. } = &mut truth;
        thread::scope(|scope| {
            let first = v1.as_mut().map(|v1| scope.spawn(|| push(v1, &mut readers(topic, &start, v1.query())?, to)));
            push(v2, &mut readers(topic, &start, v2.query())?, to)?;
            first.map_or(Ok(()), |f| f.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        truth.at = to.clone();
        truth.look_again();
        Ok(truth)
    }

    /// Brings the digests, and how far the versions are apart, up to its position.
    fn look_again(&mut self) {
        self.v2.digest();
        if let Some(v1) = &mut self.v1 {
            v1.digest();
            self.errors.update(v1, &mut self.v2);
        }
    }

    /// Version 2 alone.
    fn right(&self) -> Self {
        Truth { job: self.job.clone(), at: self.at.clone(), v1: None, v2: self.v2.clone(), errors: Errors::default() }
    }

    pub fn job(&self) -> &Job {
        &self.job
    }
}

/// How far version 1 is from version 2, group by group, in the measured column.
#[derive(Clone, Default)]
struct Errors(HashMap<String, f64>);

impl Errors {
    /// Looks again at the groups that have changed on either side.
    fn update(&mut self, v1: &mut Reference, v2: &mut Reference) {
        let Some(column) = measured_column(v2.query()) else { return };
        let mut keys = v1.changed();
        keys.extend(v2.changed());
        let value = |reference: &Reference, key: &[Value]| match reference.answer_key(key) {
            Ok(Some(row)) => row.get(column).map_or(0.0, number),
            _ => 0.0,
        };
        for key in keys {
            let error = (value(v1, &key) - value(v2, &key)).abs();
            self.0.insert(format!("{key:?}"), error);
        }
    }

    fn largest(&self) -> f64 {
        self.0.values().copied().fold(0.0, f64::max)
    }
}

/// What is known of an answer that is the reference's at its own position.
type Shown = Option<Digest>;

/// The verdict on each answer, in their order. `done` is told how far it is, 0 to 1.
pub fn check(
    topic: &Topic,
    truth: &Truth,
    arrivals: &Arrivals,
    recording: &Recording,
    stored: &StoredAnswers,
    done: &(impl Fn(f64) + Sync),
) -> Result<Vec<Verdict>, RunError> {
    let answers = &recording.answers;
    let least = answers.iter().map(|a| &a.position).fold(arrivals.base.clone(), |base, p| base.meet(p));
    // A truth over more than an answer covers is no start for it.
    let fresh;
    let truth = if least.covers(&truth.at) {
        truth
    } else {
        fresh = Truth::new(&truth.job, least.partitions());
        &fresh
    };
    let checked = AtomicUsize::new(0);
    let all = (2 * answers.len()).max(1);
    let one_more = || done(checked.fetch_add(1, Ordering::Relaxed) as f64 / all as f64);
    let of = |version: u32| {
        let targets = answers.iter().enumerate().filter(move |(_, a)| a.version == version).map(|(i, a)| (i, a.position.clone()));
        in_order(targets.collect())
    };
    let arrived = || in_order(answers.iter().enumerate().map(|(i, a)| (i, arrivals.position_at(a.read_us))).collect());
    let asked = Asked { topic, recording, stored };
    let mut judged: Vec<(Verdict, Shown)> = vec![Default::default(); answers.len()];
    let (by_v1, by_v2, by_arrival) = thread::scope(|scope| {
        let by_v1 = scope.spawn(|| asked.own(truth.clone(), of(1), &one_more));
        let by_arrival = scope.spawn(|| asked.outdated(truth.right(), arrived(), &one_more));
        let by_v2 = asked.own(truth.right(), of(2), &one_more);
        let by_v1 = by_v1.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (by_v1, by_v2, by_arrival.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    for (answer, verdict, shown) in by_v1?.into_iter().chain(by_v2?) {
        judged[answer] = (verdict, shown);
    }
    let mut left = vec![false; answers.len()];
    for (answer, found) in by_arrival? {
        let (verdict, shown) = &mut judged[answer];
        match (found, shown) {
            (Arrived::Compared(differs), _) => verdict.outdated = differs,
            (Arrived::Digest(now), Some(own)) => verdict.outdated = *own != now,
            (Arrived::Digest(_), None) => left[answer] = true,
        }
    }
    if left.contains(&true) {
        let mut along = Along::new(topic, truth.right())?;
        for (answer, at) in arrived().into_iter().filter(|(answer, _)| left[*answer]) {
            along.roll(&at)?;
            judged[answer].0.outdated = asked.compared(answer, &mut along.truth.v2)?.differs;
        }
    }
    Ok(judged.into_iter().map(|(verdict, _)| verdict).collect())
}

/// What is known of an answer once the truth has come to all that had arrived when it was read.
enum Arrived {
    /// Whether it differs.
    Compared(bool),
    /// Of the truth; what the answer's is, is known once it was shown to be right at its own position. One that was not is compared in the end.
    Digest(Digest),
}

/// Within one list positions are ordered: a version never goes back, and what has arrived stays.
fn in_order(mut targets: Vec<(usize, Position)>) -> Vec<(usize, Position)> {
    targets.sort_by_key(|(_, position)| position.records());
    let ordered = targets.windows(2).all(|pair| pair[1].1.covers(&pair[0].1));
    assert!(ordered, "answers of one version went back");
    targets
}

/// A truth on its way over the log.
struct Along {
    truth: Truth,
    first: Vec<Reading>,
    second: Vec<Reading>,
}

impl Along {
    fn new(topic: &Topic, truth: Truth) -> Result<Self, LogError> {
        let first = truth.v1.as_ref().map_or(Ok(Vec::new()), |v1| readers(topic, &truth.at, v1.query()))?;
        Ok(Along { first, second: readers(topic, &truth.at, truth.v2.query())?, truth })
    }

    fn roll(&mut self, to: &Position) -> Result<(), LogError> {
        if let Some(v1) = &mut self.truth.v1 {
            push(v1, &mut self.first, to)?;
        }
        push(&mut self.truth.v2, &mut self.second, to)?;
        self.truth.at = to.clone();
        self.truth.look_again();
        Ok(())
    }
}

/// What came of one comparison.
#[derive(Clone, Default)]
struct Compared {
    differs: bool,
    error: f64,
    /// Rows that are wrong in the measured column, by a hash of their keys.
    wrong_rows: Vec<u64>,
}

struct Asked<'a> {
    topic: &'a Topic,
    recording: &'a Recording,
    stored: &'a StoredAnswers,
}

impl Asked<'_> {
    /// Answers of one version at their own positions: against version 1, where the truth has one, and against the truth.
    fn own(&self, truth: Truth, targets: Vec<(usize, Position)>, done: &impl Fn()) -> Result<Vec<(usize, Verdict, Shown)>, RunError> {
        let mut along = Along::new(self.topic, truth)?;
        let mut judged = Vec::with_capacity(targets.len());
        for (answer, position) in targets {
            along.roll(&position)?;
            let Truth { v1, v2, errors, .. } = &mut along.truth;
            let version = v1.as_mut().unwrap_or(v2);
            let by_version = self.compared(answer, version)?;
            let is_full = self.recording.answers[answer].key.is_none();
            let shown = version.digest().filter(|_| is_full && !by_version.differs);
            let wrong_rows = if is_full { by_version.wrong_rows.clone() } else { Vec::new() };
            let by_truth = match (v1, shown.zip(v2.digest())) {
                (None, _) => by_version.clone(),
                (Some(_), Some((own, right))) if own == right => Compared::default(),
                (Some(_), Some(_)) => Compared { differs: true, error: errors.largest(), ..Compared::default() },
                (Some(_), None) => self.compared(answer, v2)?,
            };
            let is_approximate = self.recording.answers[answer].approximate;
            let verdict = Verdict {
                wrong: by_truth.differs,
                wrong_engine: by_version.differs && !is_approximate,
                wrong_approximate: by_version.differs && is_approximate,
                error: by_truth.error,
                error_own: by_version.error,
                wrong_rows: if is_approximate { wrong_rows } else { Vec::new() },
                outdated: false,
            };
            judged.push((answer, verdict, shown));
            done();
        }
        Ok(judged)
    }

    /// Answers against the truth over what had arrived when they were read.
    fn outdated(&self, truth: Truth, targets: Vec<(usize, Position)>, done: &impl Fn()) -> Result<Vec<(usize, Arrived)>, RunError> {
        let mut along = Along::new(self.topic, truth)?;
        let mut found = Vec::with_capacity(targets.len());
        for (answer, at) in targets {
            along.roll(&at)?;
            let right = &mut along.truth.v2;
            let is_full = self.recording.answers[answer].key.is_none();
            let of_it = match right.digest().filter(|_| is_full) {
                Some(now) => Arrived::Digest(now),
                None => Arrived::Compared(self.compared(answer, right)?.differs),
            };
            found.push((answer, of_it));
            done();
        }
        Ok(found)
    }

    /// An answer against a reference that has come to its position.
    fn compared(&self, answer: usize, reference: &mut Reference) -> Result<Compared, RunError> {
        let Recorded { key, rows: place, .. } = &self.recording.answers[answer];
        let given = self.stored.rows(*place)?;
        let right = match key {
            Some(key) => reference.answer_key(&self.recording.keys[*key as usize]).map(|row| row.into_iter().collect()),
            None => {
                let digests = digest(reference.query(), &given).ok().flatten().zip(reference.digest());
                if digests.is_some_and(|(given, right)| given == right) {
                    return Ok(Compared::default());
                }
                reference.answer()
            }
        };
        let query = reference.query();
        let given: Result<Vec<Vec<Value>>, EvalError> = rows(&given);
        let differs = compare(query, &right, &given).is_err();
        let errors = match (measured_column(query), given, right) {
            (Some(column), Ok(given), Ok(right)) if differs => errors(query, column, &given, &right),
            _ => Vec::new(),
        };
        let error = errors.iter().map(|(_, error)| *error).fold(0.0, f64::max);
        Ok(Compared { differs, error, wrong_rows: errors.into_iter().map(|(row, _)| row).collect() })
    }
}

/// A partition that is read once, piece by piece.
struct Reading {
    reader: PartitionReader,
    /// Of the next record to be handed on.
    at: Offset,
    /// What was read beyond it.
    left: Option<Records>,
}

fn readers(topic: &Topic, from: &Position, query: &Query) -> Result<Vec<Reading>, LogError> {
    let columns = query.whole_rows();
    let open = |(p, at)| Ok(Reading { reader: topic.reader(p, Start::Offset(at), Some(&columns))?, at, left: None });
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
    let is_number = |t: DataType| t.is_number() || t == DataType::Interval;
    if query.finish.is_some() {
        return query.answer_columns().iter().rposition(|(_, t)| is_number(*t));
    }
    let measures = |output: &NamedExpr, counts: bool| {
        let mut measured = false;
        output.expr.visit(&mut |e| {
            if let ExprKind::Column(i) = e.kind {
                let aggregate = i.checked_sub(query.keys.len()).map(|i| query.aggregates[i].function);
                measured |= aggregate.is_some_and(|f| counts || f != AggregateFunction::Count);
            }
        });
        measured && is_number(output.expr.data_type)
    };
    let first = |counts| query.output.iter().position(|output| measures(output, counts));
    first(false).or_else(|| first(true))
}

/// |given - right| of a column over rows with the same keys, where they differ, with a hash of the key.
fn errors(query: &Query, column: usize, given: &[Vec<Value>], right: &[Vec<Value>]) -> Vec<(u64, f64)> {
    let is_key = |output: &NamedExpr| matches!(output.expr.kind, ExprKind::Column(i) if i < query.keys.len());
    let keys: Vec<usize> = match &query.finish {
        None => (0..query.output.len()).filter(|&c| is_key(&query.output[c])).collect(),
        // Where the plan does not say what names a row, it is all but the number that is measured.
        Some(finish) => {
            let named = query.maintained().and_then(|maintained| maintained.plan.row_key()).filter(|key| !key.contains(&column));
            named.unwrap_or_else(|| (0..finish.columns().len()).filter(|&c| c != column).collect())
        }
    };
    let keyed = |rows: &[Vec<Value>]| -> HashMap<String, f64> {
        let key = |row: &Vec<Value>| keys.iter().map(|&c| format!("{:?};", row[c])).collect();
        rows.iter().map(|row| (key(row), number(&row[column]))).collect()
    };
    let (given, right) = (keyed(given), keyed(right));
    let hash = |key: &String| BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    // A row that is there on one side alone is wrong, whatever its number.
    let of_given =
        given.iter().map(|(key, g)| (key, right.get(key).is_none_or(|r| differ(*r, *g)), (g - right.get(key).unwrap_or(&0.0)).abs()));
    let of_missing = right.iter().filter(|(key, _)| !given.contains_key(*key)).map(|(key, r)| (key, true, r.abs()));
    of_given.chain(of_missing).filter(|(_, differs, _)| *differs).map(|(key, _, error)| (hash(key), error)).collect()
}

/// As answers are compared: NaN is NaN.
fn differ(a: f64, b: f64) -> bool {
    a != b && !(a.is_nan() && b.is_nan())
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
