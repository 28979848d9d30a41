//! What stands beside a query: rows that are written out, and queries in expressions.

use super::Kind::{self, Int, Time};
use super::{Shape, Text, column, list, list_plain};

impl Text<'_> {
    /// Rows that are written out. (They stand beside a topic, which is what a query reads.)
    pub(super) fn values(&mut self) -> Shape {
        let kinds = [&[Text, Int][..], &[Int, Time], &[Text, Int, Time], &[Int]][self.random.below(4)];
        // A column of NULLs alone would be text.
        let first: Vec<String> = kinds.iter().map(|kind| self.literal(*kind)).collect();
        let others: Vec<String> = (0..self.random.below(4)).map(|_| format!("({})", self.row_of(kinds).join(", "))).collect();
        let names = (1..=kinds.len()).map(|i| format!("column{i}"));
        let text = match others.is_empty() && self.random.chance(50) {
            true => format!("SELECT {}", list(first.into_iter())),
            false => {
                let rows = [format!("({})", first.join(", "))].into_iter().chain(others);
                format!("SELECT {} FROM (VALUES {}) AS {}", list(names), list_plain(rows), self.alias())
            }
        };
        Shape { text, columns: kinds.to_vec() }
    }

    /// A row of VALUES, with NULLs.
    fn row_of(&mut self, kinds: &[Kind]) -> Vec<String> {
        kinds.iter().map(|kind| if self.random.chance(15) { "NULL".to_owned() } else { self.literal(*kind) }).collect()
    }

    fn literal(&mut self, kind: Kind) -> String {
        match kind {
            Text => format!("'{}'", self.random.pick(&["a", "b", "c", "e"])),
            Int => match self.random.below(6) {
                0 => "1 + 1".to_owned(),
                _ => self.random.between(-1, 6).to_string(),
            },
            Time => format!("TIMESTAMP '2013-01-01 00:0{}:00'", self.random.below(10)),
        }
    }

    /// A query beside another one, which is in an expression of it, or of which it has the rows or has not.
    pub(super) fn with_subquery(&mut self, outer: &Shape) -> String {
        let (text, columns) = (&outer.text, &outer.columns);
        let inner = self.query(1);
        let kinds: Vec<Kind> = [Text, Int, Time].into_iter().filter(|k| columns.contains(k) && inner.columns.contains(k)).collect();
        let Some(&kind) = kinds.get(self.random.below(kinds.len().max(1))) else { return text.clone() };
        let both = column(self.random, columns, Some(kind)).zip(column(self.random, &inner.columns, Some(kind)));
        let (a, b) = both.unwrap_or_default();
        let (about, of) = match self.equality((outer, "s"), (&inner, "i")) {
            Some(equal) if self.random.chance(50) => (format!(" WHERE {equal}"), true),
            _ => (String::new(), false),
        };
        let from = format!("FROM ({}) AS i{about}", inner.text);
        let least = self.random.pick(&["MIN", "MAX"]);
        let value = match self.random.below(3) {
            0 if kind == Int => format!("(SELECT COUNT(*) {from})"),
            1 => format!("(SELECT i.{b} {from} ORDER BY i.{b} LIMIT 1)"),
            _ => format!("(SELECT {least}(i.{b}) {from})"),
        };
        let op = self.random.pick(&["<", "=", ">="]);
        let other = column(self.random, columns, Some(kind)).zip(column(self.random, &inner.columns, Some(kind)));
        let (c, d) = other.unwrap_or_default();
        let not = self.random.pick(&["", "NOT "]);
        match self.random.below(16) {
            15 => format!(
                "SELECT s.{a} AS c0, l.v AS c1 FROM ({text}) AS s CROSS JOIN LATERAL (VALUES (s.{a}), (s.{c}), ({})) AS l (v)",
                self.literal(kind)
            ),
            12 => {
                let rows: Vec<String> = (0..1 + self.random.below(3)).map(|_| self.row_of(&[kind]).join(", ")).collect();
                format!("SELECT * FROM ({text}) AS s WHERE s.{a} {not}IN (VALUES ({}))", rows.join("), ("))
            }
            13 => format!(
                "SELECT s.{a} AS c0, (SELECT {}) AS c1, (SELECT {}) AS c2 FROM ({text}) AS s",
                self.literal(kind),
                self.literal(Int)
            ),
            14 => format!("SELECT * FROM ({text}) AS s WHERE {not}EXISTS (SELECT 1 WHERE s.{a} {op} {})", self.literal(kind)),
            9 => format!("SELECT * FROM ({text}) AS s WHERE (s.{a}, s.{c}) {not}IN (SELECT i.{b}, i.{d} {from})"),
            10 => {
                let of = match self.random.below(3) {
                    0 => format!("SELECT i.{b} AS v, COUNT(*) AS n {from} GROUP BY i.{b}"),
                    1 => format!("SELECT i.{b} AS v, ROW_NUMBER() OVER (ORDER BY i.{b}) AS n {from} ORDER BY i.{b} LIMIT 2"),
                    _ => format!("SELECT {least}(i.{b}) AS v, COUNT(*) AS n {from}"),
                };
                let (join, on) = [("CROSS JOIN", ""), ("LEFT JOIN", " ON TRUE")][self.random.below(2)];
                format!("SELECT s.{a} AS c0, l.v AS c1, l.n AS c2 FROM ({text}) AS s {join} LATERAL ({of}) AS l{on}")
            }
            11 => {
                let op = self.random.pick(&["EXCEPT ALL", "INTERSECT ALL"]);
                format!("SELECT s.{a} AS c0 FROM ({text}) AS s {op} SELECT i.{b} FROM ({}) AS i", inner.text)
            }
            0 | 1 => format!("SELECT * FROM ({text}) AS s WHERE s.{a} IN (SELECT i.{b} {from})"),
            2 => format!("SELECT * FROM ({text}) AS s WHERE s.{a} NOT IN (SELECT i.{b} {from})"),
            3 => format!("SELECT * FROM ({text}) AS s WHERE {}EXISTS (SELECT 1 {from})", if of { "NOT " } else { "" }),
            4 => format!("SELECT * FROM ({text}) AS s WHERE s.{a} {op} {value}"),
            5 => format!("SELECT s.{a} AS c0, {value} AS c1 FROM ({text}) AS s"),
            6 => format!(
                "SELECT s.{a} AS c0, COUNT(*) AS c1 FROM ({text}) AS s GROUP BY s.{a} HAVING MAX(s.{a}) IN (SELECT i.{b} FROM ({}) AS i)",
                inner.text
            ),
            7 => format!("SELECT s.{a} AS c0, s.{a} IN (SELECT i.{b} {from}) AS c1 FROM ({text}) AS s"),
            _ => {
                let op = self.random.pick(&["EXCEPT", "INTERSECT"]);
                format!("SELECT s.{a} AS c0 FROM ({text}) AS s {op} SELECT i.{b} FROM ({}) AS i", inner.text)
            }
        }
    }
}
