//! The merge law: parts of a stream merged in any order are the stream.

use proptest::prelude::*;

use super::query;
use super::rows::{Row, batch, column, every_aggregate, row, shown};
use crate::{GroupTable, Selection, answer};
use twopath_query::{DataType, Query, Value};

fn table(query: &Query, rows: &[Row]) -> GroupTable {
    let mut table = GroupTable::new(query);
    table.update_from_log(query, &batch(rows)).unwrap();
    table
}

/// The rows of the answer, or its error, which does not depend on the parts either.
fn all(query: &Query, parts: &[&GroupTable]) -> Vec<String> {
    answer(query, parts, &Selection::default()).map_or_else(|error| vec![error.to_string()], |rows| shown(&rows))
}

/// Merges the tables pair by pair, as `picks` say, until one is left.
fn merged(mut parts: Vec<GroupTable>, picks: &[prop::sample::Index]) -> GroupTable {
    for pick in picks.iter().cycle() {
        if parts.len() == 1 {
            break;
        }
        let part = parts.swap_remove(pick.index(parts.len()));
        let at = pick.index(parts.len());
        parts[at].merge(&part);
    }
    parts.remove(0)
}

fn cut(rows: &[Row], cuts: &[prop::sample::Index]) -> Vec<Vec<Row>> {
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(rows.len() + 1)).collect();
    at.extend([0, rows.len()]);
    at.sort_unstable();
    at.windows(2).map(|w| rows[w[0]..w[1]].to_vec()).collect()
}

const KEYS: [&str; 5] = ["", "k", "name", "k, name", "k, name, f, b"];

proptest! {
    #[test]
    fn any_parts_in_any_order_are_the_stream(
        rows in prop::collection::vec(row(), 0..60),
        keys in prop::sample::select(&KEYS[..]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
    ) {
        let query = every_aggregate(keys);
        let whole = table(&query, &rows);
        let expected = all(&query, &[&whole]);
        let parts: Vec<GroupTable> = cut(&rows, &cuts).iter().map(|rows| table(&query, rows)).collect();

        // As an answer merges them.
        prop_assert_eq!(&all(&query, &parts.iter().collect::<Vec<_>>()), &expected);
        // In a random tree.
        let tree = merged(parts.clone(), &picks);
        prop_assert_eq!(&all(&query, &[&tree]), &expected);
        // One table, batch by batch.
        let mut stream = GroupTable::new(&query);
        for rows in cut(&rows, &cuts) {
            stream.update_from_log(&query, &batch(&rows)).unwrap();
        }
        prop_assert_eq!(&all(&query, &[&stream]), &expected);
        // Group by group.
        let mut singly = GroupTable::new(&query);
        for part in &parts {
            (0..part.len()).for_each(|group| singly.merge_group(part, group));
        }
        prop_assert_eq!(&all(&query, &[&singly]), &expected);
        // An empty table is the identity, on both sides.
        let mut left = GroupTable::new(&query);
        left.merge(&whole);
        let mut right = whole.clone();
        right.merge(&GroupTable::new(&query));
        prop_assert_eq!(&all(&query, &[&left]), &expected);
        prop_assert_eq!(&all(&query, &[&right]), &expected);
        // Split by key, and put together again.
        for n in 1..4 {
            let split = whole.clone().split(n);
            prop_assert_eq!(split.len(), n);
            prop_assert_eq!(&all(&query, &split.iter().collect::<Vec<_>>()), &expected);
        }
        // At rest and back, alone and merged.
        let stored = whole.to_batch();
        let loaded = GroupTable::from_batch(&query, &stored).unwrap();
        prop_assert_eq!(&all(&query, &[&loaded]), &expected);
        prop_assert_eq!(loaded.to_batch().num_rows(), stored.num_rows());
        let reloaded: Vec<GroupTable> = parts.iter().map(|p| GroupTable::from_batch(&query, &p.to_batch()).unwrap()).collect();
        prop_assert_eq!(&all(&query, &[&merged(reloaded, &picks)]), &expected);
    }

    #[test]
    fn a_split_is_a_partition_and_stable(rows in prop::collection::vec(row(), 1..60), n in 1..5usize) {
        let query = query("SELECT k, name, COUNT(*) AS n FROM t GROUP BY k, name", &super::rows::COLUMNS);
        let whole = table(&query, &rows);
        let split = whole.clone().split(n);
        for group in 0..whole.len() {
            let key = whole.key(group);
            prop_assert_eq!(whole.find(&key), Some(group));
            prop_assert_eq!(split.iter().filter(|t| t.find(&key).is_some()).count(), 1);
            // The place depends on the key alone.
            let mut alone = GroupTable::new(&query);
            alone.merge_group(&whole, group);
            let place = |tables: &[GroupTable]| tables.iter().position(|t| t.find(&key).is_some());
            prop_assert_eq!(place(&alone.split(n)), place(&split));
        }
        prop_assert_eq!(split.iter().map(GroupTable::len).sum::<usize>(), whole.len());
    }

    /// Streams long enough that sketches leave their sparse forms, and values wide enough that bins collapse.
    #[test]
    fn sketches_do_not_depend_on_the_order(
        counts in prop::collection::vec((0..1_500usize, any::<u16>()), 2..5),
        wide in any::<bool>(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
    ) {
        let columns = [("v", DataType::Float)];
        let query = query("SELECT APPROX_COUNT_DISTINCT(v) AS d, APPROX_QUANTILE(v, 0.1) AS a, APPROX_QUANTILE(v, 0.9) AS z FROM t", &columns);
        let value = |n: u64| {
            let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let sign = if n & 1 == 0 { 1.0 } else { -1.0 };
            sign * if wide { 10f64.powf((n >> 32) as f64 / 1e8 - 20.0) } else { (n >> 50) as f64 }
        };
        let part = |(count, first): &(usize, u16)| {
            let mut table = GroupTable::new(&query);
            let values = (0..*count as u64).map(|n| Value::Float(value(n + u64::from(*first))));
            table.update(&[], &vec![vec![column(values, DataType::Float)]; 3], *count).unwrap();
            table
        };
        let parts: Vec<GroupTable> = counts.iter().map(part).collect();
        let expected = all(&query, &parts.iter().collect::<Vec<_>>());
        let mut stream = GroupTable::new(&query);
        for (count, first) in &counts {
            let values = (0..*count as u64).map(|n| Value::Float(value(n + u64::from(*first))));
            stream.update(&[], &vec![vec![column(values, DataType::Float)]; 3], *count).unwrap();
        }
        prop_assert_eq!(&all(&query, &[&stream]), &expected);
        let reloaded: Vec<GroupTable> = parts.iter().map(|p| GroupTable::from_batch(&query, &p.to_batch()).unwrap()).collect();
        prop_assert_eq!(&all(&query, &[&merged(parts, &picks)]), &expected);
        prop_assert_eq!(&all(&query, &[&merged(reloaded, &picks)]), &expected);
    }
}
