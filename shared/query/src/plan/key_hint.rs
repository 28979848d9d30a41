//! What to add to a text so that the rows of its plan are told apart.

use super::key::{Shown, below, union_key};
use super::known::Known;
use super::{Node, Plan};
use crate::types::*;

const OF_ANY: &str = "add to the select list what does: what it groups by, the key of what it joins (as UPSERT has), _partition and _offset of a topic's own rows, or ROW_NUMBER() with what it is partitioned by. Rows of a FULL JOIN have \
                      nothing that does: GROUP BY what names them, with MAX(...) of the rest; nor have those of a UNION ALL, unless each of its SELECTs has a literal of its own beside what \
                      names its rows, as in SELECT 'a' AS part, ...";

impl Plan {
    /// What to write so that a plan without a [row key](Plan::row_key) has one, as a part of a sentence.
    ///
    /// ```
    /// # use arrow_schema::{DataType, Field, Schema};
    /// # let schema = Schema::new(vec![Field::new("a", DataType::Utf8, true), Field::new("b", DataType::Utf8, true)]);
    /// let plan = twopath_query::logical_plan("SELECT a, COUNT(*) AS n FROM t GROUP BY CUBE (a, b)", "t", &schema)?;
    /// assert_eq!(plan.row_key(), None);
    /// assert!(plan.row_key_hint().starts_with("add b and GROUPING(a, b) to the select list"));
    /// # Ok::<(), twopath_query::QueryError>(())
    /// ```
    pub fn row_key_hint(&self) -> String {
        self.hint(&self.all_shown()).unwrap_or_else(|| OF_ANY.to_owned())
    }

    /// What to add of what stands below to the columns that are shown of it, where there are several groupings.
    fn hint(&self, shown: &Shown) -> Option<String> {
        match &self.node {
            Node::Project { input, columns } => input.hint(&below(columns, shown)),
            // Subqueries stand to the right.
            Node::Join { left: input, .. } | Node::Over { input, .. } => input.hint(&input.own(shown)),
            Node::Filter { input, .. } | Node::Sort { input, .. } | Node::Limit { input, .. } => input.hint(shown),
            Node::Union { inputs } if union_key(inputs, shown).is_none() => {
                let groupings = inputs.iter().map(|input| Grouping::of(input, shown)).collect::<Option<Vec<_>>>()?;
                of_groupings(&groupings)
            }
            _ => None,
        }
    }
}

/// The groups of one grouping of several, as they are put out.
struct Grouping {
    keys: Vec<Key>,
    /// What is known of the columns that are shown.
    shown: Vec<Known>,
}

struct Key {
    text: String,
    is_shown: bool,
    known: Known,
}

impl Grouping {
    fn of(plan: &Plan, shown: &Shown) -> Option<Grouping> {
        let Node::Project { input: groups, columns } = &plan.node else {
            return match &plan.node {
                Node::Filter { input, .. } => Grouping::of(input, shown),
                _ => None,
            };
        };
        let Node::Aggregate { input, keys, .. } = &groups.node else { return None };
        let (names, below) = (input.names(), below(columns, shown));
        let key = |(number, key): (usize, &NamedExpr)| Key {
            text: key.expr.named(&names).to_string(),
            is_shown: below.contains(&number),
            known: groups.known(number),
        };
        let shown = shown.iter().map(|&column| plan.known(column)).collect();
        Some(Grouping { keys: keys.iter().enumerate().map(key).collect(), shown })
    }

    /// The keys that one of both has and the other has not.
    fn differing<'a>(&'a self, other: &'a Grouping) -> impl Iterator<Item = &'a Key> {
        let beside =
            |of: &'a Grouping, other: &'a Grouping| of.keys.iter().filter(move |key| other.keys.iter().all(|k| k.text != key.text));
        beside(self, other).chain(beside(other, self))
    }

    /// Whether rows of both differ in what is shown, once all keys are.
    fn is_told_from(&self, other: &Grouping) -> bool {
        let is_told = self.shown.iter().zip(&other.shown).any(|(a, b)| a.is_apart_from(b));
        is_told || self.differing(other).any(|key| key.known.is_apart_from(&Known::One(Value::Null)))
    }
}

fn of_groupings(groupings: &[Grouping]) -> Option<String> {
    let pairs = || groupings.iter().enumerate().flat_map(|(i, a)| groupings[..i].iter().map(move |b| (a, b)));
    if pairs().any(|(a, b)| a.differing(b).next().is_none()) {
        return Some("two of its groupings are of the same keys, and nothing tells their rows apart: name each grouping once".to_owned());
    }
    let untold: Vec<(&Grouping, &Grouping)> = pairs().filter(|(a, b)| !a.is_told_from(b)).collect();
    let (mut wanted, mut marked): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for key in groupings.iter().flat_map(|grouping| &grouping.keys) {
        let text = key.text.as_str();
        if !key.is_shown && !wanted.contains(&text) {
            wanted.push(text);
        }
        if !marked.contains(&text) && untold.iter().any(|(a, b)| a.differing(b).any(|key| key.text == text)) {
            marked.push(text);
        }
    }
    let grouping = format!("GROUPING({})", marked.join(", "));
    if !marked.is_empty() {
        wanted.push(&grouping);
    }
    let (last, others) = wanted.split_last()?;
    let wanted = if others.is_empty() { (*last).to_owned() } else { format!("{} and {last}", others.join(", ")) };
    Some(format!(
        "add {wanted} to the select list: rows of ROLLUP, CUBE and GROUPING SETS are told apart by all that they are grouped by, and by GROUPING of what may itself be NULL"
    ))
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType as Arrow, Field, Schema};

    fn plan(sql: &str) -> crate::Plan {
        let field = |name: &str, nullable| Field::new(name, Arrow::Utf8, nullable);
        let schema = Schema::new(vec![field("a", true), field("b", true), field("k", false), Field::new("n", Arrow::Int64, true)]);
        crate::logical_plan(sql, "t", &schema).unwrap()
    }

    /// What is asked for is enough: as the text has it, and as an engine keeps it.
    #[test]
    fn what_is_told_to_add_is_a_key() {
        let hint = |list: &str, by: &str| {
            let text = |list: &str| format!("SELECT {list}, COUNT(*) AS c FROM t GROUP BY {by}");
            let of = plan(&text(list));
            let hint = of.row_key_hint();
            assert_eq!((of.row_key(), of.maintained().plan.row_key()), (None, None), "{list} by {by}");
            assert_eq!(of.maintained().plan.row_key_hint(), hint, "{list} by {by}");
            let added =
                hint.strip_prefix("add ").and_then(|rest| rest.split_once(" to the select list")).map(|(added, _)| added.to_owned());
            if let Some(added) = &added {
                let more = added.replace(" and ", ", ");
                let (now, kept) = (plan(&text(&format!("{list}, {more}"))), plan(&text(&format!("{list}, {more}"))).maintained().plan);
                assert!(now.row_key().is_some() && kept.row_key().is_some(), "{list}, {more} by {by}");
            }
            added.unwrap_or(hint)
        };
        assert_eq!(hint("a", "ROLLUP (a)"), "GROUPING(a)");
        assert_eq!(hint("a, b", "ROLLUP (a, b)"), "GROUPING(a, b)");
        assert_eq!(hint("a, b, GROUPING(a)", "CUBE (a, b)"), "GROUPING(b)");
        assert_eq!(hint("a", "a, ROLLUP (b)"), "b and GROUPING(b)");
        assert_eq!(hint("1", "GROUPING SETS ((a, k), (a), ())"), "a, k and GROUPING(a)");
        assert_eq!(hint("a", "GROUPING SETS ((a, k), (a))"), "k");
        assert_eq!(hint("n % 3", "ROLLUP (n % 3)"), "GROUPING((n % 3))");
        assert_eq!(hint("a, SUM(n) OVER () AS s", "a, n, CUBE (b)"), "n, b and GROUPING(b)");
        assert!(hint("a, GROUPING(a)", "GROUPING SETS ((a), (a))").starts_with("two of its groupings"));
    }

    #[test]
    fn what_is_no_grouping_is_told_in_general() {
        let hint = |sql: &str| plan(sql).row_key_hint();
        assert!(hint("SELECT COUNT(*) AS c FROM t GROUP BY a").starts_with("add to the select list"));
        assert!(hint("SELECT a, b FROM t UNION ALL SELECT k, b FROM t").contains("UNION ALL"));
        assert!(
            hint("SELECT b.n, s.* FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY ROLLUP (k)) s JOIN t b ON b.n = s.c").starts_with("add to")
        );
    }
}
