//! What a new version would change: two answers over the same records, group by group, with the events behind the largest differences.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use twopath_base::{LogColumn, Position};
use twopath_log::Topic;
use twopath_query::plan::Node;
use twopath_query::{DataType, ExprKind, Query, Value, values};
use twopath_view::{GroupTable, Selection};

use super::reads::Reads;
use super::{JobError, Keeping, Standing, StandingJob};

/// How often two versions are brought to the log's end until they stand at one position.
const TRIES: usize = 100;
/// Events shown behind an example.
const EVENTS_SHOWN: usize = 3;

/// How the answer of one version differs from another's.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    pub from_version: u64,
    pub to_version: u64,
    /// That both answers are exact for, by topic.
    pub positions: Vec<(String, Position)>,
    /// Groups of either answer.
    pub groups: u64,
    /// Groups that only the new answer has, and only the old one.
    pub added: u64,
    pub removed: u64,
    /// Groups of both with a value that differs.
    pub changed: u64,
    /// By the column's name: those of both answers that are no keys, in the new one's order.
    pub columns: Vec<ColumnDiff>,
    /// The groups that change most, at most as many as were asked for.
    pub examples: Vec<Example>,
}

/// How one column differs.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDiff {
    pub name: String,
    /// Groups of both answers in which it differs.
    pub changed: u64,
    /// The largest and the mean |new - old|, where it has numbers.
    pub largest: Option<f64>,
    pub mean: Option<f64>,
}

/// An event behind a difference: its partition, its offset, and what its columns hold.
pub type Behind = (u32, u64, Vec<(String, Value)>);

/// A group that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// By the names of the key's columns.
    pub key: Vec<(String, Value)>,
    /// None where the answer does not have the group.
    pub before: Option<Vec<(String, Value)>>,
    pub after: Option<Vec<(String, Value)>>,
    /// Records of the topic that are in the group, the first few: partition, offset, and the row.
    pub events: Vec<Behind>,
}

impl Diff {
    /// The share of groups that differ in any way.
    pub fn changed_share(&self) -> f64 {
        let differing = self.added + self.removed + self.changed;
        if self.groups == 0 { 0.0 } else { differing as f64 / self.groups as f64 }
    }
}

impl StandingJob {
    /// How the answer of `to` differs from that of `from`, both for all that is in the log now. With up to `examples` groups.
    ///
    /// # Errors
    /// The versions' groups cannot be told apart by their answers, have other keys, or the log grows faster than both read it.
    pub fn diff(&self, from: u64, to: u64, examples: usize) -> Result<Diff, JobError> {
        let (old, new) = (self.version(from, 1, Keeping::Reads)?, self.version(to, 1, Keeping::Reads)?);
        let refused = |problem: String| JobError::Diff { job: self.name.clone(), from, to, problem };
        let Answers { before, after, positions } = at_one_position(&old, &new)?
            .ok_or_else(|| refused("events arrive faster than both versions read them; ask again when fewer arrive".into()))?;
        let shown = |standing: &Standing| Shown::of(standing.reads()).map_err(refused);
        let mut diff = compare((&shown(&old)?, &before), (&shown(&new)?, &after)).map_err(refused)?;
        diff.truncate(examples);
        let mut found = Diff { from_version: from, to_version: to, positions, ..diff.diff };
        // What is behind a row of joined topics, or of groups of groups, is no group of events.
        let of_groups = new.reads().of_groups().map(|(topic, query)| (topic.clone(), query.clone()));
        old.stop()?;
        new.stop()?;
        if let (Some((topic, query)), [(_, to)]) = (of_groups, &found.positions[..]) {
            events_behind(&topic, &query, &diff.keys, to, &mut found.examples)?;
        }
        Ok(found)
    }
}

type Rows = Vec<Vec<Value>>;

/// Two answers that are exact for the same.
struct Answers {
    before: Rows,
    after: Rows,
    positions: Vec<(String, Position)>,
}

/// Both answers, once they are exact for one position of each topic that both read. None where that did not come about.
fn at_one_position(old: &Standing, new: &Standing) -> Result<Option<Answers>, JobError> {
    for _ in 0..TRIES {
        old.catch_up(|_| true)?;
        new.catch_up(|_| true)?;
        let (before, after) = (old.answer(&Selection::default())?, new.answer(&Selection::default())?);
        let (from, to) = (before.positions(), after.positions());
        let is_same = |(topic, at): &(String, Position)| from.iter().all(|(name, before)| name != topic || before == at);
        if to.iter().all(is_same) {
            return Ok(Some(Answers { before: values::rows(&before.rows)?, after: values::rows(&after.rows)?, positions: to }));
        }
    }
    Ok(None)
}

/// A diff with the keys of its examples in the query's order.
struct Compared {
    diff: Diff,
    keys: Vec<Vec<Value>>,
}

impl Compared {
    fn truncate(&mut self, examples: usize) {
        self.diff.examples.truncate(examples);
        self.keys.truncate(examples);
    }
}

/// An answer's columns, and which of them tell its rows apart.
struct Shown {
    names: Vec<String>,
    /// The key's name, its type and the column that shows it.
    keys: Vec<(String, DataType, usize)>,
}

impl Shown {
    fn of(reads: &Reads) -> Result<Shown, String> {
        match reads.of_groups() {
            Some((_, query)) => Shown::of_groups(query),
            None => {
                let plan = reads.plan();
                if matches!(plan.node, Node::Limit { .. }) {
                    return Err("with LIMIT or OFFSET a row may be missing for another's sake; compare the query without it".into());
                }
                let unnamed = || format!("the answer does not show what tells its rows apart: {}", plan.row_key_hint());
                let key = plan.row_key().ok_or_else(unnamed)?;
                let columns = plan.columns();
                let keys = key.into_iter().map(|column| (columns[column].0.clone(), columns[column].1, column)).collect();
                Ok(Shown { names: columns.into_iter().map(|(name, _)| name).collect(), keys })
            }
        }
    }

    fn of_groups(query: &Query) -> Result<Shown, String> {
        let columns = key_columns(query)?;
        let keys = query.keys.iter().zip(columns).map(|(key, column)| (key.name.clone(), key.expr.data_type, column)).collect();
        Ok(Shown { names: query.output.iter().map(|o| o.name.clone()).collect(), keys })
    }

    /// With the keys in the order of the other's, where they have the same names.
    fn in_order_of(&self, other: &Shown) -> Shown {
        let named = |name: &String| self.keys.iter().find(|(own, ..)| own == name).cloned();
        let keys = other.keys.iter().map(|(name, ..)| named(name)).collect::<Option<Vec<_>>>();
        let keys = keys.filter(|keys| keys.len() == self.keys.len()).unwrap_or_else(|| self.keys.clone());
        Shown { names: self.names.clone(), keys }
    }

    fn key_columns(&self) -> Vec<usize> {
        self.keys.iter().map(|(.., column)| *column).collect()
    }
}

/// For each key of a query, the output column that shows it.
fn key_columns(query: &Query) -> Result<Vec<usize>, String> {
    if query.rows {
        return Err("the query gives rows and no groups, which have no keys to compare by".into());
    }
    if query.limit.is_some() || query.offset > 0 || query.distinct {
        return Err("with LIMIT, OFFSET or DISTINCT a group may be missing for another's sake; compare the query without it".into());
    }
    let shows = |key: usize| query.output.iter().position(|column| column.expr.kind == ExprKind::Column(key));
    let column = |key: usize| {
        let name = &query.keys[key].name;
        shows(key)
            .ok_or_else(|| format!("the answer does not show '{name}', by which its groups are told apart; add it to the SELECT list"))
    };
    (0..query.keys.len()).map(column).collect()
}

/// How two answers over the same records differ.
fn compare((old, before): (&Shown, &[Vec<Value>]), (new, after): (&Shown, &[Vec<Value>])) -> Result<Compared, String> {
    let old = &old.in_order_of(new);
    let (old_keys, new_keys) = (old.key_columns(), new.key_columns());
    let types = |shown: &Shown| shown.keys.iter().map(|(_, t, _)| *t).collect::<Vec<_>>();
    if types(old) != types(new) {
        return Err("they group by other types, so that no group of the one is one of the other".into());
    }
    // The values that both have, by name.
    let values: Vec<(usize, usize)> = (0..new.names.len())
        .filter(|column| !new_keys.contains(column))
        .filter_map(|column| {
            let same = |o: usize| old.names[o] == new.names[column] && !old_keys.contains(&o);
            Some(((0..old.names.len()).find(|&o| same(o))?, column))
        })
        .collect();
    // One of them alone is a change of every group.
    let only_one = old.names.len() - old_keys.len() != values.len() || new.names.len() - new_keys.len() != values.len();

    let old_groups = by_key(before, &old_keys);
    let new_groups = by_key(after, &new_keys);
    let mut columns: Vec<ColumnDiff> =
        values.iter().map(|&(_, column)| ColumnDiff { name: new.names[column].clone(), changed: 0, largest: None, mean: None }).collect();
    let mut sums = vec![(0.0, 0u64); columns.len()];
    let (mut changed, mut removed, mut added) = (0, 0, 0);
    let mut examples: Vec<(f64, Vec<Value>, Example)> = vec![];
    let named = |shown: &Shown, row: &[Value]| -> Vec<(String, Value)> { shown.names.iter().cloned().zip(row.iter().cloned()).collect() };
    let example = |key: &[Value], before: Option<&&Vec<Value>>, after: Option<&&Vec<Value>>| Example {
        key: new.keys.iter().zip(key).map(|((name, ..), value)| (name.clone(), value.clone())).collect(),
        before: before.map(|row| named(old, row)),
        after: after.map(|row| named(new, row)),
        events: vec![],
    };
    let key_of = |row: &[Value], columns: &[usize]| columns.iter().map(|&c| row[c].clone()).collect::<Vec<Value>>();
    for (text, row) in &old_groups {
        let key = key_of(row, &old_keys);
        let Some(now) = new_groups.get(text) else {
            removed += 1;
            examples.push((f64::INFINITY, key.clone(), example(&key, Some(row), None)));
            continue;
        };
        let mut largest = 0.0_f64;
        let mut differs = only_one;
        for (index, &(o, n)) in values.iter().enumerate() {
            if same(&row[o], &now[n]) {
                continue;
            }
            differs = true;
            columns[index].changed += 1;
            if let (Some(was), Some(is)) = (number(&row[o]), number(&now[n])) {
                let by = (is - was).abs();
                columns[index].largest = Some(columns[index].largest.unwrap_or(0.0).max(by));
                sums[index] = (sums[index].0 + by, sums[index].1 + 1);
                largest = largest.max(by);
            }
        }
        if differs {
            changed += 1;
            examples.push((largest, key.clone(), example(&key, Some(row), Some(now))));
        }
    }
    for (text, row) in &new_groups {
        if !old_groups.contains_key(text) {
            added += 1;
            let key = key_of(row, &new_keys);
            examples.push((f64::INFINITY, key.clone(), example(&key, None, Some(row))));
        }
    }
    for (column, (sum, count)) in columns.iter_mut().zip(sums) {
        column.mean = (count > 0).then(|| sum / count as f64);
    }
    // The largest first; of equal ones in the order of keys, which the sort keeps.
    examples.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (keys, examples) = examples.into_iter().map(|(_, key, example)| (key, example)).unzip();
    let groups = (old_groups.len() + added) as u64;
    let (added, positions) = (added as u64, Vec::new());
    Ok(Compared { diff: Diff { from_version: 0, to_version: 0, positions, groups, added, removed, changed, columns, examples }, keys })
}

/// Rows by a text of their key that no other key has.
fn by_key<'a>(rows: &'a [Vec<Value>], columns: &[usize]) -> BTreeMap<String, &'a Vec<Value>> {
    rows.iter().map(|row| (columns.iter().map(|&c| format!("{:?};", row[c])).collect(), row)).collect()
}

/// NaN is NaN, and 0.0 is -0.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        // A count and a sum of counts.
        (Value::Int(a), Value::Numeric(b)) | (Value::Numeric(b), Value::Int(a)) => i128::from(*a) == *b,
        _ => a == b,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(i) => Some(*i as f64),
        Value::Float(f) => Some(*f).filter(|f| f.is_finite()),
        Value::Numeric(n) => Some(*n as f64),
        Value::Decimal(d) => d.to_string().parse().ok(),
        Value::Interval(us) => Some(*us as f64),
        _ => None,
    }
}

/// Finds the first few records of each example's group, in the order of partitions and offsets.
fn events_behind(topic: &Topic, query: &Query, keys: &[Vec<Value>], to: &Position, examples: &mut [Example]) -> Result<(), JobError> {
    let names: Vec<String> = query.fields.iter().map(|f| f.name.clone()).collect();
    // The log's own columns, too, which the query may go by.
    let columns: Vec<usize> = (0..names.len() + LogColumn::EACH.len()).collect();
    let start = topic.start()?;
    for (partition, end) in to.iter() {
        for records in topic.range(partition, start.get(partition), end, Some(&columns))? {
            let records = records?;
            let mut groups = None;
            for (key, example) in keys.iter().zip(examples.iter_mut()) {
                let wanted = EVENTS_SHOWN - example.events.len();
                if wanted == 0 {
                    continue;
                }
                let groups = match &mut groups {
                    Some(groups) => groups,
                    none => none.insert(grouped(query, &records.batch)?),
                };
                if groups.find(key).is_none() {
                    continue;
                }
                for row in rows_of(query, &records.batch, key, wanted)? {
                    let values = values::rows(&records.batch.slice(row, 1))?.swap_remove(0);
                    let offset = records.offset_of(row);
                    example.events.push((partition.0, offset.0, names.iter().cloned().zip(values).collect()));
                }
            }
            if examples.iter().all(|example| example.events.len() == EVENTS_SHOWN) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn grouped(query: &Query, batch: &RecordBatch) -> Result<GroupTable, JobError> {
    let mut groups = GroupTable::new(query);
    groups.update_from_log(query, batch)?;
    Ok(groups)
}

/// The first few rows of a group, of which the batch has one: by halves, so that nothing but the query itself has to say what its groups are.
fn rows_of(query: &Query, batch: &RecordBatch, key: &[Value], most: usize) -> Result<Vec<usize>, JobError> {
    if batch.num_rows() == 1 {
        return Ok(vec![0]);
    }
    let half = batch.num_rows() / 2;
    let mut rows = vec![];
    for (from, part) in [(0, batch.slice(0, half)), (half, batch.slice(half, batch.num_rows() - half))] {
        if rows.len() < most && grouped(query, &part)?.find(key).is_some() {
            rows.extend(rows_of(query, &part, key, most - rows.len())?.into_iter().map(|row| from + row));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType as Arrow, Field, Schema};

    use super::*;

    fn query(sql: &str) -> Shown {
        shown(sql).unwrap()
    }

    fn shown(sql: &str) -> Result<Shown, String> {
        let schema = Schema::new(vec![Field::new("k", Arrow::Utf8, true), Field::new("n", Arrow::Int64, true)]);
        Shown::of_groups(&twopath_query::parse(sql, "t", &schema).unwrap())
    }

    fn row(k: &str, n: i64, mean: f64) -> Vec<Value> {
        vec![Value::Text(k.into()), Value::Int(n), Value::Float(mean)]
    }

    #[test]
    fn groups_are_told_apart() {
        let query = query("SELECT k, COUNT(*) AS n, AVG(n) AS mean FROM t GROUP BY k");
        let before = [row("a", 1, 2.0), row("b", 5, 1.0), row("c", 7, f64::NAN)];
        let after = [row("b", 5, 4.5), row("c", 7, f64::NAN), row("d", 1, 1.0)];
        let found = compare((&query, &before), (&query, &after)).unwrap().diff;
        assert_eq!((found.groups, found.added, found.removed, found.changed), (4, 1, 1, 1));
        assert_eq!(found.changed_share(), 0.75);
        assert_eq!((found.columns[0].changed, found.columns[1].changed, found.columns[1].largest), (0, 1, Some(3.5)));
        let keys: Vec<String> = found.examples.iter().map(|e| format!("{:?}", e.key[0].1)).collect();
        assert_eq!(keys, [r#"Text("a")"#, r#"Text("d")"#, r#"Text("b")"#], "a group that comes or goes first");
        let nothing = compare((&query, &before), (&query, &before)).unwrap().diff;
        assert_eq!((nothing.changed_share(), nothing.examples.len()), (0.0, 0));
    }

    #[test]
    fn groups_are_told_apart_by_the_names_of_keys() {
        let text = |t: &str| Value::Text(t.into());
        let (old, new) =
            (query("SELECT k, n, COUNT(*) AS c FROM t GROUP BY k, n"), query("SELECT n, k, COUNT(*) AS c FROM t GROUP BY n, k"));
        let before = [vec![text("a"), Value::Int(1), Value::Int(5)], vec![text("b"), Value::Int(1), Value::Int(5)]];
        let after = [vec![Value::Int(1), text("a"), Value::Numeric(5)], vec![Value::Int(1), text("b"), Value::Int(6)]];
        let found = compare((&old, &before), (&new, &after)).unwrap().diff;
        assert_eq!((found.groups, found.added, found.removed, found.changed), (2, 0, 0, 1));
        assert_eq!(found.examples[0].key, [("n".to_owned(), Value::Int(1)), ("k".to_owned(), text("b"))]);
    }

    #[test]
    fn a_column_that_only_one_has_changes_every_group() {
        let (old, new) =
            (query("SELECT k, COUNT(*) AS n FROM t GROUP BY k"), query("SELECT k, COUNT(*) AS n, MAX(n) AS m FROM t GROUP BY k"));
        let before = [vec![Value::Text("a".into()), Value::Int(1)]];
        let after = [vec![Value::Text("a".into()), Value::Int(1), Value::Int(1)]];
        assert_eq!(compare((&old, &before), (&new, &after)).unwrap().diff.changed, 1);
    }

    #[test]
    fn what_has_no_keys_to_compare_by_is_refused() {
        let refused = |old: &str, new: &str| shown(new).and_then(|new| compare((&query(old), &[]), (&new, &[])).map(drop)).err().unwrap();
        let counts = "SELECT k, COUNT(*) AS n FROM t GROUP BY k";
        assert!(refused(counts, "SELECT COUNT(*) AS n FROM t GROUP BY k").contains("does not show"));
        assert!(refused(counts, "SELECT k, n FROM t").contains("rows"));
        assert!(refused(counts, "SELECT n, COUNT(*) AS c FROM t GROUP BY n").contains("other types"));
        assert!(refused(counts, "SELECT k, COUNT(*) AS n FROM t GROUP BY k LIMIT 3").contains("LIMIT"));
    }
}
