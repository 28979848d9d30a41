//! The law of what is taken back: rows that came and went have left nothing, in any order, to the last bit.

use proptest::prelude::*;

use super::query;
use super::rows::{COLUMNS, Row, batch, row};
use crate::{Fold, GroupTable, NotRetractable, answer_groups, counting_rows};
use twopath_query::values::rows;
use twopath_query::{AggregateFunction, EvalError, Query};
use twopath_reference::{Reference, compare};

const LINEAR: &str = "COUNT(*) AS n, COUNT(s) AS s, COUNT(f) AS nf, SUM(i) AS si, SUM(f) AS sf, SUM(d) AS sd, AVG(i) AS ai, AVG(f) AS af, \
     AVG(d) AS ad, VAR_POP(i) AS vi, VAR_POP(f) AS vf, STDDEV(f) AS df";

/// All linear aggregates, grouped by some of the columns.
fn linear(keys: &str) -> Query {
    let (columns, group_by) =
        if keys.is_empty() { (String::new(), String::new()) } else { (format!("{keys}, "), format!(" GROUP BY {keys}")) };
    counting_rows(&query(&format!("SELECT {columns}{LINEAR} FROM t{group_by}"), &COLUMNS))
}

fn table(query: &Query, rows: &[Row]) -> GroupTable {
    let mut table = GroupTable::retractable(query).unwrap();
    Fold::new(query).update(&mut table, &batch(rows).project(&query.columns_read()).unwrap()).unwrap();
    table
}

fn answered(query: &Query, table: &GroupTable) -> Result<Vec<Row>, EvalError> {
    Ok(rows(&answer_groups(query, table, table.groups_with_rows())?.0).unwrap())
}

/// What is at rest of the groups that have rows, in key order.
fn at_rest(table: &GroupTable) -> Vec<String> {
    let (stored, mut groups) = (table.to_batch(), table.groups_with_rows());
    groups.sort_by(|a, b| table.compare(*a, *b));
    // All groups are at rest in key order; of those the ones with rows.
    let mut all: Vec<u32> = (0..table.len() as u32).collect();
    all.sort_by(|a, b| table.compare(*a, *b));
    let kept = all.iter().enumerate().filter(|(_, group)| groups.contains(group)).map(|(place, _)| stored.slice(place, 1));
    kept.map(|row| format!("{:?}", row.columns())).collect()
}

fn check(query: &Query, table: &GroupTable, left: &[Row]) -> Result<(), TestCaseError> {
    let mut reference = Reference::new(query.clone());
    reference.push(&batch(left));
    let (expected, given) = (reference.answer(), answered(query, table));
    compare(query, &expected, &given)
        .map_err(|difference| TestCaseError::fail(format!("{difference}\nexpected {expected:?}\ngiven {given:?}")))
}

/// Rows that come, and which of all that are there then go.
fn step() -> impl Strategy<Value = (Vec<Row>, Vec<prop::sample::Index>)> {
    (prop::collection::vec(row(), 0..8), prop::collection::vec(any::<prop::sample::Index>(), 0..6))
}

const KEYS: [&str; 4] = ["", "k", "k, name", "name, b"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Rows arrive in parts, and some of those that are there are withdrawn, again and again.
    #[test]
    fn what_is_left_is_all_that_counts(
        keys in prop::sample::select(&KEYS[..]),
        steps in prop::collection::vec(step(), 1..8),
    ) {
        let query = linear(keys);
        let mut all = GroupTable::retractable(&query).unwrap();
        let mut left: Vec<Row> = Vec::new();
        for (come, withdrawn) in steps {
            all.merge(&table(&query, &come));
            left.extend(come);
            check(&query, &all, &left)?;
            let mut gone = Vec::new();
            for pick in withdrawn {
                if !left.is_empty() {
                    gone.push(left.swap_remove(pick.index(left.len())));
                }
            }
            all.retract(&table(&query, &gone));
            check(&query, &all, &left)?;
        }
    }

    /// Merged and taken back is as if it had never been, at rest too.
    #[test]
    fn merge_and_retract_leave_what_was_there(
        keys in prop::sample::select(&KEYS[..]),
        stay in prop::collection::vec(row(), 0..30),
        come in prop::collection::vec(row(), 0..30),
    ) {
        let query = linear(keys);
        let (before, other) = (table(&query, &stay), table(&query, &come));
        let mut after = before.clone();
        after.merge(&other);
        after.retract(&other);
        prop_assert_eq!(at_rest(&after), at_rest(&before));
        let mut early = before.clone();
        early.retract(&other);
        early.merge(&other);
        prop_assert_eq!(at_rest(&early), at_rest(&before));
        check(&query, &after, &stay)?;
    }
}

#[test]
fn what_only_merges_is_refused_by_name() {
    for (call, function) in [
        ("MIN(i)", AggregateFunction::Min),
        ("MAX(s)", AggregateFunction::Max),
        ("COUNT(DISTINCT k)", AggregateFunction::CountDistinct),
        ("APPROX_COUNT_DISTINCT(k)", AggregateFunction::ApproxCountDistinct),
        ("APPROX_QUANTILE(f, 0.5)", AggregateFunction::ApproxQuantile(0.5)),
        ("MEDIAN(f)", AggregateFunction::PercentileCont(0.5)),
        ("BIT_OR(i)", AggregateFunction::BitOr),
    ] {
        let query = counting_rows(&query(&format!("SELECT {call} AS a FROM t"), &COLUMNS));
        assert_eq!(GroupTable::retractable(&query).err(), Some(NotRetractable { function }));
    }
}
