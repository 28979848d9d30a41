//! The experiment. The time unit is that in which as many changes come as there are documents: a document's own mean age is one of it, and an
//! interval of rebuilding is long or short only against it.

mod age;
mod documents;
mod inverted;
mod live;
mod order;
mod truth;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray, UInt32Array, UInt64Array};
use twopath_base::{Offset, PartitionId};
use twopath_log::Topic;
use twopath_results::report::scenario::in_words;
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Line, Point, Table, Verdict, at_most};

use self::age::{Published, Schedule, TICK_US, index_age_us, searchable_after_us};
use self::documents::{Change, Documents, changes};
use self::live::{Asked, Keeping, Load, Seen, topic, watch};
use self::truth::Truth;
use super::super::{Lab, Notes, ScenarioError};

/// Intervals of rebuilding, in the time in which as many changes come as there are documents.
const INTERVALS: [f64; 5] = [0.0, 0.25, 1.0, 2.0, 4.0];
const INTERVALS_QUICK: [f64; 2] = [0.0, 4.0];
/// The history is so long that hardly a document was never changed in it.
const HISTORY: u64 = 4;
const PER_CHANGE: &str = "kept per change";

/// How often an index that is kept per change is published where that is not done as often as it can be.
const TOGETHER: Duration = Duration::from_millis(100);

/// What was reported: so many times as old, so many times as late, at so many times the cost.
const TIMES_AS_OLD: f64 = 2.0;
const TIMES_AS_LATE: f64 = 100.0;
const TIMES_THE_COST: f64 = 2.0;

/// How an index is kept, and its figures of every repeat.
struct Case {
    keeping: Keeping,
    name: String,
    measured: Vec<Measured>,
    /// The index's age over time, in the first repeat.
    over_time: Vec<Point>,
}

/// A figure of an index: its stable name, what a column calls it, its unit.
const FIGURES: [(&str, &str, &str); 9] = [
    ("age_of_found_mean", "what is found is old, mean", "ms"),
    ("found_outdated", "of it, changed since", "share"),
    ("searchable_after_p50", "found after, median", "ms"),
    ("searchable_after_p99", "99 of 100 after", "ms"),
    ("index_age_mean", "index old, mean", "ms"),
    ("index_age_max", "at most", "ms"),
    ("cpu_per_million_changes", "CPU of a million changes", "cpu_s_per_million_events"),
    ("documents_indexed_per_change", "documents indexed for each change", "ratio"),
    ("bytes_written_per_change", "written for each change", "bytes"),
];
const AGE: usize = 0;
const AFTER: usize = 2;
const CPU: usize = 6;

/// In the order of [`FIGURES`].
type Measured = [f64; FIGURES.len()];

/// Raw samples of all searches.
#[derive(Default)]
struct Raw {
    case: Vec<String>,
    repeat: Vec<u32>,
    at_us: Vec<i64>,
    position: Vec<u64>,
    found: Vec<u64>,
    outdated: Vec<u64>,
    age_mean_ms: Vec<f64>,
}

pub(super) fn run(lab: &Lab, notes: &mut Notes) -> Result<(), ScenarioError> {
    let documents = Documents { seed: lab.seed, ids: lab.pick(10_000, 200), words: 40 };
    let per_tick = lab.pick(20, 4);
    let turnover = Duration::from_micros(documents.ids / per_tick * TICK_US as u64);
    let intervals = lab.pick(&INTERVALS[..], &INTERVALS_QUICK[..]);
    let longest = turnover.mul_f64(intervals[intervals.len() - 1]);
    let load = Load {
        documents,
        schedule: Schedule { history: HISTORY * documents.ids, per_tick },
        duration: longest * 2,
        search_every: Duration::from_millis(lab.pick(50, 20)),
    };
    // Whatever an index was at the start is gone once the longest interval is over; from then on it is watched for as long again.
    let watched_us = (longest.as_micros() as i64, load.duration.as_micros() as i64);
    let per_change = |every: Duration, name: String| Case { keeping: Keeping::PerChange(every), name, measured: vec![], over_time: vec![] };
    let together = format!("{PER_CHANGE}, published every {} ms", TOGETHER.as_millis());
    let mut cases = vec![per_change(Duration::ZERO, PER_CHANGE.into()), per_change(TOGETHER, together)];
    cases.extend(intervals.iter().map(|times| {
        let every = turnover.mul_f64(*times);
        let name = if every.is_zero() { "rebuilt without a pause".into() } else { format!("rebuilt every {} ms", every.as_millis()) };
        Case { keeping: Keeping::Rebuilt(every), name, measured: vec![], over_time: vec![] }
    }));
    let mut raw = Raw::default();
    // What there is of one that is stopped is told, too.
    let outcome = all_of(lab, notes, (load, watched_us), &mut cases, &mut raw);
    tell(lab, notes, &cases, (documents, turnover));
    lab.samples(notes, "index-searches", raw.columns())?;
    outcome?;
    decide(lab, notes, &cases);
    order::lost_order(lab, notes, documents)
}

/// Watches each index in turn, repeat by repeat.
fn all_of(
    lab: &Lab,
    notes: &mut Notes,
    (load, watched_us): (Load, (i64, i64)),
    cases: &mut [Case],
    raw: &mut Raw,
) -> Result<(), ScenarioError> {
    for repeat in 0..lab.repeats {
        for case in &mut *cases {
            lab.step(&format!("{}, {} of {}", case.name, repeat + 1, lab.repeats))?;
            let scratch = lab.scratch()?;
            let topic = topic(scratch.path())?;
            let seen = watch(lab, case.keeping, load, &topic)?;
            let measured = measure(notes, &topic, load, &seen, watched_us, |asked, ages, outdated| {
                raw.push(&case.name, repeat, asked, ages, outdated);
            })?;
            case.measured.push(measured);
            if repeat == 0 {
                case.over_time = ages(load.schedule, &seen.published, watched_us);
            }
        }
    }
    Ok(())
}

/// Checks every search against the documents at the position of the index that was asked, and the index in the end as a whole; gives the
/// figures of the time watched. `each` is told of every search: the sum of the ages of what it found, and how much of it had changed.
fn measure(
    notes: &mut Notes,
    topic: &Topic,
    load: Load,
    seen: &Seen,
    (from_us, until_us): (i64, i64),
    mut each: impl FnMut(&Asked, f64, u64),
) -> Result<Measured, ScenarioError> {
    let mut log: Vec<(u64, Change)> = vec![];
    for records in topic.range(PartitionId(0), Offset(0), topic.end()?.get(PartitionId(0)), None)? {
        log.extend(changes(&records?));
    }
    // Two looks at the log: as far as the index had come, and as far as changes were due when it was asked.
    let (mut then, mut now) = (Reached::default(), Reached::default());
    let (mut found, mut outdated, mut age_us) = (0, 0, 0.0);
    for asked in &seen.asked {
        let right = then.at(&log, asked.position).search(&asked.term);
        notes.answers_checked += 1;
        notes.answers_wrong_by_engine += u64::from(right != asked.found);
        let current = now.at(&log, load.schedule.due_before(asked.at_us));
        let changed = asked.found.iter().filter(|found| !current.is(**found)).count() as u64;
        let ages: f64 = asked.found.iter().map(|f| (asked.at_us - load.schedule.due_us(f.version)) as f64).sum();
        each(asked, ages, changed);
        if (from_us..until_us).contains(&asked.at_us) {
            found += asked.found.len() as u64;
            outdated += changed;
            age_us += ages;
        }
    }
    notes.answers_checked += 1;
    notes.answers_wrong_by_engine += u64::from(then.at(&log, log.len() as u64).documents() != seen.last.documents()?);
    let mut after = searchable_after_us(load.schedule, &seen.published, (from_us, until_us));
    let due = load.schedule.due_before(until_us - TICK_US) - load.schedule.due_before(from_us - TICK_US);
    notes.events_never_covered += due - after.len() as u64;
    after.sort_unstable();
    let quantile =
        |q: f64| after.get(((after.len() as f64 * q) as usize).min(after.len().saturating_sub(1))).map_or(f64::NAN, |us| *us as f64 / 1e3);
    let ages: Vec<f64> =
        (from_us..until_us).step_by(1_000).map(|at| index_age_us(load.schedule, &seen.published, at) as f64 / 1e3).collect();
    let of_changes = |n: f64| n / seen.changes.max(1) as f64;
    Ok([
        age_us / 1e3 / found as f64,
        outdated as f64 / found as f64,
        quantile(0.5),
        quantile(0.99),
        ages.iter().sum::<f64>() / ages.len() as f64,
        ages.iter().copied().fold(0.0, f64::max),
        of_changes(seen.cpu_s * 1e6),
        of_changes(seen.indexed as f64),
        of_changes(seen.written as f64),
    ])
}

/// The truth, as far as somebody has come in the log.
#[derive(Default)]
struct Reached {
    truth: Truth,
    position: u64,
}

impl Reached {
    /// At a position, which is not before the last one. What is beyond the log's end is not there.
    fn at(&mut self, log: &[(u64, Change)], position: u64) -> &Truth {
        let position = position.min(log.len() as u64);
        for (offset, change) in &log[self.position as usize..position as usize] {
            self.truth.apply(*offset, change);
        }
        self.position = position;
        &self.truth
    }
}

/// The index's age over the time watched.
fn ages(schedule: Schedule, published: &[Published], (from_us, until_us): (i64, i64)) -> Vec<Point> {
    let step = ((until_us - from_us) / 400).max(1) as usize;
    let point = |at: i64| Point::at((at - from_us) as f64 / 1e3, index_age_us(schedule, published, at) as f64 / 1e3);
    (from_us..until_us).step_by(step).map(point).collect()
}

impl Raw {
    fn push(&mut self, case: &str, repeat: u32, asked: &Asked, ages_us: f64, outdated: u64) {
        self.case.push(case.into());
        self.repeat.push(repeat);
        self.at_us.push(asked.at_us);
        self.position.push(asked.position);
        self.found.push(asked.found.len() as u64);
        self.outdated.push(outdated);
        self.age_mean_ms.push(ages_us / 1e3 / asked.found.len() as f64);
    }

    fn columns(self) -> Vec<(&'static str, ArrayRef)> {
        // A search that found nothing has found nothing old.
        let age = self.age_mean_ms.into_iter().map(|age| age.is_finite().then_some(age));
        vec![
            ("case", Arc::new(StringArray::from(self.case))),
            ("repeat", Arc::new(UInt32Array::from(self.repeat))),
            ("at_us", Arc::new(Int64Array::from(self.at_us))),
            ("position", Arc::new(UInt64Array::from(self.position))),
            ("found", Arc::new(UInt64Array::from(self.found))),
            ("outdated", Arc::new(UInt64Array::from(self.outdated))),
            ("age_mean_ms", Arc::new(age.collect::<Float64Array>())),
        ]
    }
}

impl Case {
    fn values(&self, figure: usize) -> Vec<f64> {
        self.measured.iter().map(|m| m[figure]).collect()
    }

    /// This one's figure over another's, repeat by repeat.
    fn over(&self, other: &Case, figure: usize) -> Vec<f64> {
        self.measured.iter().zip(&other.measured).map(|(a, b)| a[figure] / b[figure]).collect()
    }

    /// In milliseconds; none where it is not rebuilt.
    fn interval_ms(&self) -> Option<f64> {
        match self.keeping {
            Keeping::PerChange(_) => None,
            Keeping::Rebuilt(every) => Some(every.as_secs_f64() * 1e3),
        }
    }
}

fn tell(lab: &Lab, notes: &mut Notes, cases: &[Case], (documents, turnover): (Documents, Duration)) {
    let mut rows: Vec<Vec<Cell>> = vec![];
    for case in cases {
        let figure = |at: usize| Figure::measured(FIGURES[at].0, &case.name, FIGURES[at].2, &case.values(at), lab.seed);
        let found: Vec<Figure> = (0..FIGURES.len()).map(figure).collect();
        let cells = found.iter().map(|f| Cell::from((f.value, f.unit.as_str())));
        rows.push([Cell::from(case.name.as_str())].into_iter().chain(cells).collect());
        notes.figures.extend(found);
    }
    let x = Axis::linear("milliseconds from one rebuild to the next", "number");
    let over_intervals = |notes: &Notes, figure: &str| {
        let at: Vec<(f64, String)> = cases.iter().filter_map(|c| Some((c.interval_ms()?, c.name.clone()))).collect();
        let level: Vec<(f64, String)> = at.iter().map(|(ms, _)| (*ms, PER_CHANGE.to_owned())).collect();
        vec![notes.line(PER_CHANGE, figure, &level), notes.line("rebuilt", figure, &at)]
    };
    let charts = [
        Chart {
            title: "Age of the index over time".into(),
            hint: "How long ago the oldest change was due that cannot be found yet, in the first repeat.".into(),
            x: Axis::linear("milliseconds", "number"),
            y: Axis::linear("age", "ms"),
            lines: cases.iter().map(|c| Line { name: c.name.clone(), points: c.over_time.clone() }).collect(),
        },
        Chart {
            title: "Age of the documents that searches find, mean".into(),
            hint: format!(
                "A document changes every {} on average, and is so old itself; half an interval of rebuilding comes to it, and the time that a rebuild takes.",
                in_words(turnover.as_secs_f64() * 1e3, "ms")
            ),
            x: x.clone(),
            y: Axis::linear("age", "ms"),
            lines: over_intervals(notes, FIGURES[AGE].0),
        },
        Chart {
            title: "CPU of a million changes".into(),
            hint: "A rebuild takes what it takes, however many changes have come since the last.".into(),
            x,
            y: Axis::linear("CPU", FIGURES[CPU].2),
            lines: over_intervals(notes, FIGURES[CPU].0),
        },
    ];
    notes.charts.extend(charts);
    let columns = ["the index is"].into_iter().chain(FIGURES.iter().map(|f| f.1)).map(String::from).collect();
    let title = format!(
        "{} documents of {} words, each of them changed every {} on average; medians of {}",
        documents.ids,
        documents.words,
        in_words(turnover.as_secs_f64() * 1e3, "ms"),
        lab.repeats
    );
    notes.tables.push(Table { title, columns, rows });
}

/// The three figures that are published, at the shortest interval at which the first of them is reached.
fn decide(lab: &Lab, notes: &mut Notes, cases: &[Case]) {
    let (kept, rebuilt) = (&cases[0], cases.iter().filter(|c| c.interval_ms().is_some()));
    let mut judged: Vec<(&Case, [Figure; 3])> = vec![];
    for case in rebuilt {
        let ratio = |figure: &str, values: &[f64]| Figure::measured(figure, &case.name, "ratio", values, lab.seed);
        let ratios = [
            ratio("times_as_old", &case.over(kept, AGE)),
            ratio("times_as_late", &case.over(kept, AFTER)),
            ratio("times_the_cpu_per_change", &kept.over(case, CPU)),
        ];
        notes.figures.extend(ratios.iter().cloned());
        judged.push((case, ratios));
    }
    let as_dear = judged.iter().filter(|(_, ratios)| ratios[2].value.is_some_and(|times| times <= 1.0));
    let as_dear: Vec<&str> = as_dear.map(|(case, _)| case.name.as_str()).collect();
    let told = match as_dear.is_empty() {
        true => "at no interval that was tried".to_owned(),
        false => format!("where it is {}", as_dear.join(" or ")),
    };
    notes.findings.push(format!(
        "Rebuilding the index takes as much CPU as keeping it per change, or more, {told}. How much older it makes what is found is a matter of the \
         interval against the age of the documents themselves."
    ));
    let twice_as_old = |(_, ratios): &&(&Case, [Figure; 3])| at_least(TIMES_AS_OLD, &ratios[0]) == Verdict::Confirmed;
    let Some((case, [old, late, cost])) = judged.iter().find(twice_as_old).or(judged.last()) else { return };
    let verdict = Verdict::all([at_least(TIMES_AS_OLD, old), at_least(TIMES_AS_LATE, late), at_most(TIMES_THE_COST, cost.low, cost.high)]);
    let words = |figure: &Figure| match (figure.value, figure.low, figure.high) {
        (Some(value), Some(low), Some(high)) => {
            format!("{} [{} to {}]", in_words(value, "ratio"), in_words(low, "ratio"), in_words(high, "ratio"))
        }
        (Some(value), ..) => in_words(value, "ratio"),
        _ => "nothing".into(),
    };
    let because = format!(
        "Where the index is {}, what searches find is {} as old, and the median change is found {} later; kept per change, a change takes {} the CPU.",
        case.name,
        words(old),
        words(late),
        words(cost)
    );
    notes.conclude(verdict, because);
}

/// Whether a figure is at least so much.
fn at_least(limit: f64, figure: &Figure) -> Verdict {
    at_most(-limit, figure.high.map(|high| -high), figure.low.map(|low| -low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_decides() {
        let figure = |values: &[f64]| Figure::measured("f", "", "ratio", values, 1);
        assert_eq!(at_least(2.0, &figure(&[2.5, 2.6, 2.4])), Verdict::Confirmed);
        assert_eq!(at_least(2.0, &figure(&[1.5, 1.6, 1.4])), Verdict::Refuted);
        assert_eq!(at_least(2.0, &figure(&[1.5, 2.6, 1.9])), Verdict::Undecided);
        assert_eq!(at_least(2.0, &figure(&[3.0])), Verdict::Undecided);
    }
}
