//! `canary`: is the new version good enough to switch to? Readers are split between both tables, and what they get is rewarded.
//!
//! First by simulation, where the truth is known: 1,000 seeded trials of a version that is as good, one that is worse and one that is better,
//! by three ways of deciding. Then on two real tables: the flights query before and after its fix, where a read is rewarded if its answer
//! is the right one, as the reference interpreter has it, or if a condition holds for it that the user names.

mod safe_test;
mod thompson;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray, UInt64Array};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twopath_events::workloads::flights;
use twopath_query::{DataType, Query, Value, values};
use twopath_reference::Reference;
use twopath_results::scenario::{Cell, Figure, Table, Verdict, at_most};
use twopath_view::{GroupTable, Selection, answer, answer_schema};

use self::trial::{ALPHA, Decision, Method, Outcome, trial};
use super::{Lab, Notes, Scenario, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "canary",
    asks: "Is the new version good enough to switch to? By A/B test and by bandit, on what readers get.",
    says: "A test made to be looked at any time stops a version that is as good in at most 5 of 100 trials; one of a fixed size that is looked \
           at all the time stops far more.",
    source: "R. Johari et al., Peeking at A/B Tests (KDD 2017); R. Turner, A. Ly, P. Grünwald, Generic E-variables (arXiv:2106.02693); the idea to let \
             readers decide by A/B test or bandit: J. Kreps, Questioning the Lambda Architecture (2014)",
    confirmed_by: "false stops in the simulated trials: the 95 % interval of the safe test's share lies at or below 5 %, and that of the naive \
                   test's above",
    repeats: (1_000, 1_000),
    run: |lab, notes| measure(lab, notes, None),
};

const METHODS: [(Method, &str); 3] = [(Method::AbTest, "A/B test"), (Method::Bandit, "bandit"), (Method::Naive, "naive test")];

/// Of the flights.
const QUERY: &str = "delays_by_origin_hour";

/// What a read of the real tables is rewarded for.
enum Reward {
    /// Its answer is the reference's.
    Right,
    /// A condition holds for the answered row, as this query tells.
    Holds { condition: String, query: Box<Query> },
}

impl Reward {
    fn new(condition: Option<&str>) -> Result<Reward, ScenarioError> {
        let Some(condition) = condition else { return Ok(Reward::Right) };
        let workload = flights();
        let asked = twopath_query::parse(workload.query(Some(QUERY))?.sql(2), &workload.name, &workload.schema)?;
        let schema = answer_schema(&asked);
        let parsed = twopath_query::parse(&format!("SELECT ({condition}) AS rewarded FROM answers"), "answers", &schema);
        let query = parsed.map_err(|e| ScenarioError::Reward(e.to_string()))?;
        match query.answer_columns()[..] {
            [(_, DataType::Bool)] if query.rows => Ok(Reward::Holds { condition: condition.to_owned(), query: Box::new(query) }),
            _ => {
                let columns = schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
                Err(ScenarioError::Reward(format!("'{condition}' is no condition over a row of {columns}")))
            }
        }
    }

    fn told(&self) -> String {
        match self {
            Reward::Right => "its answer is the reference's".into(),
            Reward::Holds { condition, .. } => format!("{condition} holds for its answer"),
        }
    }
}

/// What a world is like: shares of rewards of the old and of the new version.
type World = (&'static str, [f64; 2]);

/// Does it; a read of the real tables is rewarded where `reward` holds, a condition over the columns of their answers.
///
/// # Errors
/// It was stopped, files fail, or the condition is none.
pub fn measure(lab: &Lab, notes: &mut Notes, reward: Option<&str>) -> Result<(), ScenarioError> {
    let reward = Reward::new(reward)?;
    let reads = lab.pick(20_000, 2_000);
    let worlds: [World; 3] = lab.pick(
        [("as good", [0.90, 0.90]), ("worse", [0.90, 0.87]), ("better", [0.90, 0.93])],
        [("as good", [0.90, 0.90]), ("worse", [0.90, 0.75]), ("better", [0.80, 0.95])],
    );
    let mut rows: Vec<Vec<Cell>> = vec![];
    let mut raw: Vec<(&str, &str, Outcome)> = vec![];
    for (world, shares) in worlds {
        for (method, name) in METHODS {
            lab.step(&format!("{name}, a version that is {world}"))?;
            let one = |trial_number: u64| {
                let mut rng = ChaCha8Rng::seed_from_u64(lab.seed.wrapping_mul(1_000_003).wrapping_add(trial_number));
                trial(method, reads, shares, &mut rng, |version, rng| rng.random::<f64>() < shares[version])
            };
            let outcomes: Vec<Outcome> = (0..u64::from(lab.repeats)).map(one).collect();
            rows.push(simulated(notes, (world, name), &outcomes));
            raw.extend(outcomes.into_iter().map(|outcome| (world, name, outcome)));
        }
    }
    notes.tables.push(Table {
        title: format!("{} trials each, of at most {reads} reads", lab.repeats),
        columns: ["the new version is", "decided by", "stopped", "switched to", "neither", "reads, mean", "rewards missed, mean"]
            .map(String::from)
            .to_vec(),
        rows,
    });
    let decisions = raw.iter().map(|(.., o)| format!("{:?}", o.decision).to_lowercase());
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("world", Arc::new(StringArray::from_iter_values(raw.iter().map(|(world, ..)| *world)))),
        ("method", Arc::new(StringArray::from_iter_values(raw.iter().map(|(_, method, _)| *method)))),
        ("decision", Arc::new(StringArray::from_iter_values(decisions))),
        ("reads", Arc::new(UInt64Array::from_iter_values(raw.iter().map(|(.., o)| o.reads)))),
        ("regret", Arc::new(Float64Array::from_iter_values(raw.iter().map(|(.., o)| o.regret)))),
    ];
    lab.samples(notes, "canary", columns)?;

    on_real_tables(lab, notes, &reward)?;
    let share = |method: &str| notes.figure("stopped", &format!("{method}, as good")).cloned();
    let (safe, naive) = (share("A/B test"), share("naive test"));
    let within = safe.as_ref().map_or(Verdict::Undecided, |f| at_most(ALPHA, f.low, f.high));
    let beyond = match naive.as_ref().map(|f| at_most(ALPHA, f.low, f.high)) {
        Some(Verdict::Refuted) => Verdict::Confirmed,
        Some(Verdict::Confirmed) => Verdict::Refuted,
        _ => Verdict::Undecided,
    };
    let percent = |figure: Option<Figure>| figure.and_then(|f| f.value).unwrap_or(0.0) * 100.0;
    notes.conclude(
        Verdict::all([within, beyond]),
        format!("Of a version that is as good, the safe test stopped {:.1} % and the naive one {:.1} %.", percent(safe), percent(naive)),
    );
    Ok(())
}

/// Notes what became of the trials of one kind; gives the table's row.
fn simulated(notes: &mut Notes, (world, method): (&str, &str), outcomes: &[Outcome]) -> Vec<Cell> {
    let trials = outcomes.len() as u64;
    let of = format!("{method}, {world}");
    let count = |decision| outcomes.iter().filter(|o| o.decision == decision).count() as u64;
    let mean = |value: fn(&Outcome) -> f64| outcomes.iter().map(value).sum::<f64>() / outcomes.len().max(1) as f64;
    let found = [
        Figure::share("stopped", &of, count(Decision::Stop), trials),
        Figure::share("switched_to", &of, count(Decision::Switch), trials),
        Figure::share("neither", &of, count(Decision::Neither), trials),
        Figure::exact("reads_to_decide_mean", &of, "count", mean(|o| o.reads as f64)),
        Figure::exact("regret_mean", &of, "number", mean(|o| o.regret)),
    ];
    let cells = found.iter().map(|f| Cell::from((f.value, f.unit.as_str())));
    let row = [Cell::from(world), Cell::from(method)].into_iter().chain(cells).collect();
    notes.figures.extend(found);
    row
}

/// The flights query before and after its fix, tried both ways round: the fix should win, and what it replaced should be stopped.
fn on_real_tables(lab: &Lab, notes: &mut Notes, reward: &Reward) -> Result<(), ScenarioError> {
    let (workload, events) = (flights(), lab.pick(300_000, 20_000));
    let query = workload.query(Some(QUERY))?;
    let batch = workload.batch(0, events);
    let failed = |e: twopath_query::EvalError| ScenarioError::Answer(e.to_string());
    let parsed = |version| Ok::<_, ScenarioError>(twopath_query::parse(query.sql(version), &workload.name, &workload.schema)?);

    let right_query = parsed(2)?;
    let mut right = Reference::new(right_query.clone());
    right.push(&batch);
    let mut tables = vec![];
    for version in [1, 2] {
        let query = parsed(version)?;
        let mut table = GroupTable::new(&query);
        table.update_from_log(&query, &batch).map_err(failed)?;
        tables.push((query, table));
    }
    // What each version answers for a key, and whether that is rewarded.
    let mut known: BTreeMap<(usize, String), bool> = BTreeMap::new();
    let mut is_rewarded = |version: usize, key: &[Value]| -> Result<bool, ScenarioError> {
        let name = (version, format!("{key:?}"));
        if let Some(&rewarded) = known.get(&name) {
            return Ok(rewarded);
        }
        let (query, table) = &tables[version];
        let row = answer(query, &[table], &Selection { key: Some(key.to_vec()), ..Selection::default() }).map_err(failed)?;
        let rewarded = match reward {
            Reward::Right => {
                let truth = right.answer_key(key).map_err(failed)?;
                values::rows(&row).map_err(failed)?.into_iter().next() == truth
            }
            Reward::Holds { query, .. } => {
                let mut held = Reference::new(Query::clone(query));
                held.push(&row);
                held.answer().map_err(failed)? == [[Value::Bool(true)]]
            }
        };
        known.insert(name, rewarded);
        Ok(rewarded)
    };
    // Readers ask for the groups of events at random.
    let mut rng = ChaCha8Rng::seed_from_u64(lab.seed);
    let groups = &tables[1].1;
    let asked = lab.pick(4_000, 1_000);
    let mut rewards: Vec<[bool; 2]> = vec![];
    while rewards.len() < asked {
        let key = groups.key(rng.random_range(0..groups.len()));
        rewards.push([is_rewarded(0, &key)?, is_rewarded(1, &key)?]);
    }
    let shares = [0, 1].map(|version| rewards.iter().filter(|r| r[version]).count() as f64 / rewards.len() as f64);
    let figure = if matches!(reward, Reward::Right) { "answers_right" } else { "answers_rewarded" };
    notes.figures.push(Figure::exact(figure, "version 1, real", "share", shares[0]));
    notes.figures.push(Figure::exact(figure, "version 2, real", "share", shares[1]));
    let mut rows: Vec<Vec<Cell>> = vec![];
    for (method, name) in METHODS {
        for (told, order) in [("the fix in place of the bug", [0, 1]), ("the bug in place of the fix", [1, 0])] {
            let shares = order.map(|version| shares[version]);
            let found = trial(method, 2 * asked as u64, shares, &mut rng, |version, rng| {
                rewards[rng.random_range(0..rewards.len())][order[version]]
            });
            let of = format!("{name}, {told}");
            notes.figures.push(Figure::exact("reads_to_decide", &of, "count", found.reads as f64));
            rows.push(vec![
                told.into(),
                name.into(),
                format!("{:?}", found.decision).to_lowercase().into(),
                (found.reads as f64, "count").into(),
            ]);
        }
    }
    notes.tables.push(Table {
        title: format!("On two real tables; a read is rewarded where {}", reward.told()),
        columns: ["tried", "decided by", "decision", "reads"].map(String::from).to_vec(),
        rows,
    });
    Ok(())
}
