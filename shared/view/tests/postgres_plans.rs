//! Answers of whole plans against a real PostgreSQL: subqueries in expressions, EXCEPT and INTERSECT, what else joins rows with rows, and frames.
//!
//! As `postgres.rs` does, it wants `TWOPATH_TEST_POSTGRES`. The text is the same for both. The reference, which evaluates the plan as it was bound, and the program that
//! engines keep both answer; answers are compared as bags, or in their order where the query gives one.

mod events;
mod psql;

use events::{Events, engine, schema};
use psql::{Row, are_equal, ask, shown, theirs_shown};
use twopath_query::arbitrary::Random;
use twopath_query::{Plan, Value, logical_plan, values};
use twopath_reference::PlanReference;
use twopath_view::finish;

const QUERIES: u64 = 1_300;

struct Maker<'a>(&'a mut Random);

impl Maker<'_> {
    /// Two columns that can be compared.
    fn pair(&mut self) -> (&'static str, &'static str) {
        const PAIRS: [(&str, &str); 8] =
            [("n", "m"), ("m", "m"), ("n", "n"), ("m", "n"), ("s", "s"), ("flag", "flag"), ("t", "t"), ("x", "n")];
        PAIRS[self.0.below(PAIRS.len())]
    }

    /// A condition over the columns of one relation.
    fn condition(&mut self, of: &str) -> String {
        match self.0.below(7) {
            0 => format!("{of}.n > {}", self.0.between(-15, 15)),
            1 => format!("{of}.flag"),
            2 => format!("{of}.m IS NOT NULL"),
            3 => format!("{of}.n % 3 = {}", self.0.below(3)),
            4 => format!("{of}.m = {} OR {of}.s > 'b'", self.0.below(6)),
            5 => "1 = 2".to_owned(),
            _ => "1 = 1".to_owned(),
        }
    }

    /// WHERE of a subquery over `w`, about the row of `e` around it or not.
    fn inner_where(&mut self) -> String {
        let own = self.condition("w");
        match self.0.below(5) {
            0 | 1 => format!("({own})"),
            2 => format!("w.m = e.m AND ({own})"),
            3 => {
                let (a, b) = self.pair();
                format!("({own}) AND e.{a} = w.{b}")
            }
            _ => format!("w.m = e.m AND w.flag = e.flag AND ({own})"),
        }
    }

    /// What is TRUE, FALSE or NULL for a row of `e`.
    fn test(&mut self) -> String {
        let (a, b) = self.pair();
        let inner = self.inner_where();
        match self.0.below(9) {
            0 | 1 => format!("e.{a} IN (SELECT w.{b} FROM events w WHERE {inner})"),
            2 | 3 => format!("e.{a} NOT IN (SELECT w.{b} FROM events w WHERE {inner})"),
            4 => format!("EXISTS (SELECT 1 FROM events w WHERE {inner})"),
            5 => format!("NOT EXISTS (SELECT * FROM events w WHERE {inner})"),
            6 => format!("e.n {} {}", self.0.pick(&[">", "<=", "="]), self.value("n")),
            7 => format!("e.{a} = ANY (SELECT w.{b} FROM events w WHERE {inner} GROUP BY w.{b} HAVING COUNT(*) > 1)"),
            _ => format!("e.{a} <> ALL (SELECT w.{b} FROM events w WHERE {inner})"),
        }
    }

    /// A subquery that gives one value: a number where `n` is asked for.
    fn value(&mut self, column: &str) -> String {
        let inner = self.inner_where();
        match self.0.below(6) {
            0 => format!("(SELECT MAX(w.{column}) FROM events w WHERE {inner})"),
            1 => format!("(SELECT MIN(w.{column}) FROM events w WHERE {inner})"),
            2 if column == "n" => format!("(SELECT COUNT(*) FROM events w WHERE {inner})"),
            3 if column == "n" => format!("(SELECT COUNT(DISTINCT w.m) * 2 + 1 FROM events w WHERE {inner})"),
            4 => format!("(SELECT w.{column} FROM events w WHERE {inner} ORDER BY w.{column} DESC NULLS LAST LIMIT 1)"),
            _ => format!("(SELECT w.{column} FROM events w WHERE {inner} ORDER BY w.{column} NULLS FIRST LIMIT 1 OFFSET 1)"),
        }
    }

    /// WINDOW, and what adds to a window.
    fn named_windows(&mut self, outer: &str) -> (String, usize) {
        let windows = self.0.pick(&[
            "w AS (PARTITION BY e.m), v AS (w ORDER BY e.n, e.s, e.t, e.x)",
            "w AS (PARTITION BY e.flag), u AS (w), v AS (u ORDER BY e.n DESC, e.s, e.t, e.x)",
            "v AS (ORDER BY e.n, e.s, e.t, e.x), w AS (PARTITION BY e.m ORDER BY e.s)",
        ]);
        let call = self.0.pick(&["ROW_NUMBER() OVER v", "SUM(e.n) OVER (v ROWS 1 PRECEDING)", "COUNT(*) OVER (v)", "LAG(e.n) OVER v"]);
        (format!("SELECT e.n AS c0, {call} AS c1, MAX(e.n) OVER w AS c2 FROM events e WHERE {outer} WINDOW {windows}"), 3)
    }

    /// GROUPING beside several groupings, and beside one.
    fn groupings(&mut self, outer: &str) -> (String, usize) {
        let sets = self.0.pick(&[
            "ROLLUP (e.m, e.flag)",
            "CUBE (e.m, e.flag)",
            "GROUPING SETS ((e.m, e.flag), (e.flag), ())",
            "e.m, ROLLUP (e.flag)",
            "e.m, e.flag",
            "GROUPING SETS ((e.m), (e.m)), CUBE (e.flag)",
            "GROUPING SETS (ROLLUP (e.m, e.flag), (e.flag))",
            "GROUPING SETS (CUBE (e.m), (e.flag, e.m)), ROLLUP (e.flag)",
            "ROLLUP (e.m), CUBE (e.flag, (e.m, e.flag))",
        ]);
        let behind = self.0.pick(&["", " HAVING GROUPING(e.flag) = 0", " HAVING COUNT(*) > 2 ORDER BY GROUPING(e.m, e.flag) DESC, e.m"]);
        let call =
            self.0.pick(&["GROUPING(e.flag) + 10 * GROUPING(e.m)", "RANK() OVER (PARTITION BY GROUPING(e.m, e.flag) ORDER BY COUNT(*))"]);
        (
            format!(
                "SELECT e.m AS c0, GROUPING(e.m, e.flag) AS c1, {call} AS c2, COUNT(*) AS c3 FROM events e WHERE {outer} GROUP BY {sets}{behind}"
            ),
            4,
        )
    }

    /// Row values, with NULL among them.
    fn rows(&mut self, outer: &str) -> (String, usize) {
        let inner = self.inner_where();
        let not = self.0.pick(&["", "NOT "]);
        let op = self.0.pick(&["=", "<>", "<", "<=", ">", ">="]);
        let m = self.0.below(6);
        let test = match self.0.below(8) {
            0 => format!("(e.m, e.s) {op} ({m}, 'b')"),
            1 => format!("(e.m, e.n, e.flag) {op} (e.n, {m}, TRUE)"),
            2 => format!("(e.m, e.flag) {not}IN (({m}, TRUE), (2, FALSE), (3, NULL))"),
            3 => format!("(e.m, e.n) IS {not}DISTINCT FROM (e.n, {m})"),
            4 => format!("(e.m, e.flag) {not}IN (SELECT w.m, w.flag FROM events w WHERE {inner})"),
            5 => format!("(e.m, e.n) {not}IN (SELECT w.n, w.m FROM events w WHERE {inner} AND w.n > {})", self.0.between(-5, 18)),
            6 => format!("(e.m, e.flag, e.n) {not}IN (SELECT w.m, w.flag, w.m + 1 FROM events w WHERE {inner} AND w.n > 12)"),
            _ => format!("(e.m, e.n) {not}BETWEEN (1, NULL) AND ({m}, 4) OR (e.x, e.m) IS {not}NULL"),
        };
        match self.0.below(3) {
            0 => (format!("SELECT e.n AS c0, e.m AS c1 FROM events e WHERE ({outer}) AND {test}"), 2),
            1 => (format!("SELECT e.n AS c0, e.m AS c1 FROM events e WHERE ({outer}) AND NOT ({test})"), 2),
            _ => (format!("SELECT e.n AS c0, e.m AS c1, {test} AS c2 FROM events e WHERE {outer}"), 3),
        }
    }

    /// What counts rows that are alike, and rows that tie.
    fn copies(&mut self, outer: &str) -> (String, usize) {
        let other = self.condition("w");
        let (a, b) = self.pair();
        let op = self.0.pick(&["EXCEPT ALL", "INTERSECT ALL"]);
        let rows = self.0.below(7);
        match self.0.below(5) {
            0 | 1 => (format!("SELECT e.{a} AS c0 FROM events e WHERE {outer} {op} SELECT w.{b} FROM events w WHERE {other}"), 1),
            2 => (
                format!("SELECT e.m AS c0, e.flag AS c1 FROM events e WHERE {outer} {op} SELECT w.m, w.flag FROM events w WHERE {other}"),
                2,
            ),
            3 => {
                (format!("SELECT e.n AS c0, e.m AS c1 FROM events e WHERE {outer} ORDER BY e.m DESC FETCH FIRST {rows} ROWS WITH TIES"), 2)
            }
            _ => (
                format!(
                    "SELECT e.m AS c0 FROM events e WHERE {outer} UNION ALL SELECT w.n FROM events w WHERE {other} ORDER BY 1 NULLS FIRST OFFSET 2 ROWS FETCH NEXT {rows} ROWS WITH TIES"
                ),
                1,
            ),
        }
    }

    /// LATERAL: rows, the first of them, groups, and an aggregate.
    fn lateral(&mut self, outer: &str) -> (String, usize) {
        let inner = self.inner_where();
        if self.0.chance(25) {
            let join = self.0.pick(&[
                "CROSS JOIN LATERAL (SELECT e.n + 1, e.s || '!') l (n, s)",
                ", LATERAL (SELECT e.m * 2 AS n, UPPER(e.s) AS s) l",
                "CROSS JOIN LATERAL (VALUES (e.n, 'n'), (e.m, e.s), (NULL, 'none'), (7, NULL)) l (n, s)",
                "LEFT JOIN LATERAL (VALUES (e.m, e.s), (1, 'one')) l (n, s) ON TRUE",
                "JOIN LATERAL (VALUES (e.n, e.s), (e.m + 1, 'one')) l (n, s) ON l.n > e.m",
                "CROSS JOIN LATERAL (SELECT e.m + 1 AS k) k JOIN events w ON w.m = k.k CROSS JOIN LATERAL (VALUES (k.k, w.s), (w.n, e.s)) l (n, s)",
            ]);
            return (format!("SELECT e.n AS c0, l.n AS c1, l.s AS c2 FROM events e {join} WHERE {outer}"), 3);
        }
        let of = match self.0.below(8) {
            0 => format!("SELECT w.n, w.s FROM events w WHERE {inner}"),
            1 => format!("SELECT w.n, w.s FROM events w WHERE {inner} ORDER BY w.n DESC NULLS LAST, w.s, w.t LIMIT 2"),
            2 => format!("SELECT w.n, w.s FROM events w WHERE {inner} ORDER BY w.n, w.s, w.t LIMIT 3 OFFSET 1"),
            3 => format!("SELECT COUNT(*) AS n, MAX(w.s) AS s FROM events w WHERE {inner}"),
            4 => format!(
                "SELECT COUNT(w.x) + SUM(w.n) AS n, CASE WHEN COUNT(*) > 2 THEN 'many' ELSE 'few' END AS s FROM events w WHERE {inner}"
            ),
            5 => format!("SELECT w.m AS n, MIN(w.s) AS s FROM events w WHERE {inner} GROUP BY w.m HAVING COUNT(*) > 1"),
            6 => format!("SELECT DISTINCT w.m AS n, w.s FROM events w WHERE {inner}"),
            _ => format!("SELECT ROW_NUMBER() OVER (ORDER BY w.n, w.s, w.t) AS n, w.s FROM events w WHERE {inner}"),
        };
        let join = match self.0.below(6) {
            0 => format!("CROSS JOIN LATERAL ({of}) l"),
            1 => format!(", LATERAL ({of}) l"),
            2 | 3 => format!("LEFT JOIN LATERAL ({of}) l ON TRUE"),
            4 => format!("JOIN LATERAL ({of}) l (n, s) ON l.n > e.m"),
            _ => format!("CROSS JOIN LATERAL ({of}) l RIGHT JOIN events v ON v.n = e.n AND v.m = l.n"),
        };
        (format!("SELECT e.n AS c0, l.n AS c1, l.s AS c2 FROM events e {join} WHERE {outer}"), 3)
    }

    /// Tables that the text writes out, and queries without FROM.
    fn values(&mut self, outer: &str) -> (String, usize) {
        let rows = self.0.pick(&[
            "(1, 'a'), (2, 'b'), (4, NULL)",
            "(NULL, 'c'), (3, 'a'), (3, 'a'), (0, 'b')",
            "('2', 'x'), (3, 'y')",
            "(1 + 1, 'a' || 'b'), ('5', NULL), (NULL, 'd'), (7, UPPER('e'))",
        ]);
        let (k, not) = (self.0.below(6), self.0.pick(&["", "NOT "]));
        match self.0.below(12) {
            0 | 1 => {
                let join = self.0.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
                (
                    format!(
                        "SELECT e.n AS c0, v.name AS c1, v.id AS c2 FROM events e {join} (VALUES {rows}) AS v (id, name) ON e.m = v.id"
                    ),
                    3,
                )
            }
            2 => (
                format!(
                    "WITH v (id, name) AS (VALUES {rows}) SELECT e.n AS c0, e.m AS c1 FROM events e WHERE ({outer}) AND e.m {not}IN (SELECT id FROM v WHERE name <> 'a')"
                ),
                2,
            ),
            3 => (
                format!(
                    "SELECT e.n AS c0, e.m {not}IN (VALUES ({k}), (3), (NULL)) AS c1 FROM events e WHERE e.m {not}IN (VALUES (1), ({k}))"
                ),
                2,
            ),
            4 => (
                format!(
                    "SELECT e.n AS c0, e.m AS c1 FROM events e WHERE (e.m, e.flag) {not}IN (VALUES ({k}, TRUE), (2, FALSE), (3, TRUE))"
                ),
                2,
            ),
            5 => {
                let last = self.0.pick(&[
                    "SELECT 'total', NULL",
                    "VALUES ('x', 1), (NULL, 2)",
                    "SELECT 'total', 10 WHERE 1 = 2",
                    "(VALUES ('b', 2))",
                ]);
                let all = self.0.pick(&["UNION ALL", "UNION", "EXCEPT", "INTERSECT"]);
                (format!("SELECT e.s AS c0, e.m AS c1 FROM events e WHERE {outer} {all} {last}"), 2)
            }
            6 => (
                format!(
                    "SELECT e.n AS c0, (SELECT 5) + e.m AS c1, (SELECT 'v') AS c2, (SELECT COUNT(*)) AS c3 FROM events e WHERE {outer} AND e.m > (SELECT {k})"
                ),
                4,
            ),
            7 => (
                format!(
                    "SELECT v.id AS c0, COUNT(e.n) AS c1, MAX(v.name) AS c2 FROM (VALUES {rows}) v (id, name) LEFT JOIN events e ON e.m = v.id AND ({outer}) GROUP BY v.id"
                ),
                3,
            ),
            8 => (format!("SELECT e.n AS c0, e.m AS c1 FROM events e WHERE {not}EXISTS (SELECT 1 WHERE e.m > {k})"), 2),
            9 => (
                format!(
                    "SELECT e.n AS c0, v.column1 AS c1 FROM events e, (VALUES (3), (1), (NULL), ({k}) ORDER BY column1 DESC LIMIT 2) v WHERE {outer}"
                ),
                2,
            ),
            10 => (
                format!(
                    "SELECT e.n AS c0, v.x AS c1, v.x + e.m AS c2 FROM events e CROSS JOIN (VALUES (1), (0.5), (NULL), (2e0)) v (x) WHERE {outer}"
                ),
                3,
            ),
            _ => (
                format!(
                    "SELECT v.name AS c0, ROW_NUMBER() OVER (PARTITION BY v.name ORDER BY e.n, e.m, e.s, e.t, e.x, v.id) AS c1, e.n AS c2 FROM events e JOIN (SELECT * FROM (VALUES {rows}) AS w (id, name) UNION ALL SELECT {k}, 'k') v ON v.id = e.m"
                ),
                3,
            ),
        }
    }

    /// Decimals beside floats and whole numbers.
    fn numbers(&mut self, outer: &str) -> (String, usize) {
        let from = "(SELECT n, m, s, flag, x, CAST(n AS DOUBLE PRECISION) / 10 AS f, CAST(CAST(n AS DOUBLE PRECISION) / 10 AS NUMERIC(10,2)) AS d FROM events)";
        let other = self.0.pick(&["x", "f", "n", "m", "0.5"]);
        let op = self.0.pick(&["=", "<>", "<", "<=", ">", ">="]);
        let test = match self.0.below(5) {
            0 | 1 => format!("e.d {op} {}", if other == "0.5" { other.to_owned() } else { format!("e.{other}") }),
            2 => "e.d IN (e.x, e.f, 1.25, e.n)".to_owned(),
            3 => "e.d BETWEEN e.f AND e.x".to_owned(),
            _ => "(e.d, e.m) >= (e.f, e.n)".to_owned(),
        };
        match self.0.below(3) {
            0 => (format!("SELECT e.n AS c0, e.f AS c1, w.m AS c2 FROM {from} e JOIN {from} w ON e.d = w.f AND ({outer})"), 3),
            1 => (
                format!(
                    "SELECT e.n AS c0, e.f AS c1 FROM {from} e WHERE ({outer}) AND e.f NOT IN (SELECT w.d FROM {from} w WHERE w.d IS NOT NULL AND w.m = e.m)"
                ),
                2,
            ),
            _ => (format!("SELECT e.n AS c0, e.f AS c1, {test} AS c2 FROM {from} e WHERE {outer}"), 3),
        }
    }

    /// Frames of every kind, also over values at the ends of their types.
    fn framed(&mut self) -> (String, usize) {
        const ORDERS: [(&str, [&str; 3]); 7] = [
            ("n", ["3", "0", "9223372036854775807"]),
            ("m", ["1", "2", "4"]),
            ("big", ["40", "9223372036854775807", "100"]),
            ("x", ["1.5", "10", "1e300"]),
            ("y", ["0", "2.25", "1e308"]),
            ("d", ["0.5", "7", "1.2575"]),
            ("t", ["INTERVAL '30 days'", "INTERVAL '100 days 3 hours'", "INTERVAL '1000' HOUR"]),
        ];
        let (by, far) = ORDERS[self.0.below(ORDERS.len())];
        let units = self.0.pick(&["ROWS", "RANGE", "RANGE", "GROUPS"]);
        let start = self.0.below(4);
        let end = start.max(1) + self.0.below(5 - start.max(1));
        let mut bound = |kind| {
            let far = if units == "RANGE" { self.0.pick(&far) } else { self.0.pick(&["0", "1", "3", "100"]) };
            match kind {
                0 => "UNBOUNDED PRECEDING".to_owned(),
                1 => format!("{far} PRECEDING"),
                2 => "CURRENT ROW".to_owned(),
                3 => format!("{far} FOLLOWING"),
                _ => "UNBOUNDED FOLLOWING".to_owned(),
            }
        };
        let frame = format!("{units} BETWEEN {} AND {}", bound(start), bound(end));
        let partition = self.0.pick(&["", "PARTITION BY flag ", "PARTITION BY m "]);
        let direction = self.0.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
        // Which of the rows that tie is first, PostgreSQL does not say.
        let (ties, of) = if units == "ROWS" { (", n, m, x, s, t, flag", self.0.pick(&["n", "s", by])) } else { ("", by) };
        let calls = ["COUNT(*)", "SUM(n)", "MIN(s)", "MAX(x)", "FIRST_VALUE", "LAST_VALUE", "NTH_VALUE", "STRING_AGG(s, ', ')"];
        // Rows that tie come in any order.
        let calls = &calls[..if units == "ROWS" { 8 } else { 7 }];
        let mut call = || match self.0.pick(calls) {
            "NTH_VALUE" => format!("NTH_VALUE({of}, {})", 1 + self.0.below(3)),
            name if name.contains('(') => name.to_owned(),
            name => format!("{name}({of})"),
        };
        let over = format!("OVER ({partition}ORDER BY {by}{direction}{ties} {frame})");
        let (a, b) = (call(), call());
        let from = "SELECT n, m, x, s, t, flag, CAST(x AS NUMERIC(10,2)) AS d, \
             CASE m WHEN 0 THEN 9223372036854775807 - n * n WHEN 1 THEN -9223372036854775807 + n * n ELSE n END AS big, \
             CASE m WHEN 0 THEN CAST('NaN' AS DOUBLE PRECISION) WHEN 1 THEN CAST('Infinity' AS DOUBLE PRECISION) \
             WHEN 2 THEN CAST('-Infinity' AS DOUBLE PRECISION) ELSE x END AS y FROM events";
        (format!("SELECT {by} AS c0, n AS c1, {a} {over} AS c2, {b} {over} AS c3 FROM ({from}) f"), 4)
    }

    /// A query, and how many columns it has.
    fn query(&mut self) -> (String, usize) {
        let outer = self.condition("e");
        if self.0.chance(45) {
            return match self.0.below(7) {
                5 => self.values(&outer),
                6 => self.numbers(&outer),
                0 => self.named_windows(&outer),
                1 => self.groupings(&outer),
                2 => self.rows(&outer),
                3 => self.copies(&outer),
                _ => self.lateral(&outer),
            };
        }
        match self.0.below(24) {
            16.. => self.framed(),
            0..=2 => (format!("SELECT e.n AS c0, e.s AS c1 FROM events e WHERE {}", self.test()), 2),
            3 => (format!("SELECT e.m AS c0, e.n AS c1 FROM events e WHERE ({outer}) AND {}", self.test()), 2),
            4 => (format!("SELECT e.m AS c0, e.n AS c1 FROM events e WHERE ({outer}) OR {} OR NOT {}", self.test(), self.test()), 2),
            5 => (format!("SELECT e.n AS c0, {} AS c1 FROM events e WHERE {outer}", self.test()), 2),
            6 => (format!("SELECT e.m AS c0, {} AS c1, {} AS c2 FROM events e", self.value("n"), self.value("s")), 3),
            7 => {
                let having = self.0.pick(&[
                    "COUNT(*) >= (SELECT COUNT(*) / COUNT(DISTINCT m) FROM events)",
                    "MAX(e.n) IN (SELECT n FROM events WHERE flag)",
                ]);
                (format!("SELECT e.m AS c0, COUNT(*) AS c1 FROM events e WHERE {outer} GROUP BY e.m HAVING {having}"), 2)
            }
            8 => {
                let of =
                    self.0.pick(&["(SELECT COUNT(*) FROM events w WHERE w.n = e.m)", "(SELECT MAX(w.n) FROM events w WHERE w.m = e.m)"]);
                (format!("SELECT e.m AS c0, {of} AS c1, SUM(e.n) AS c2 FROM events e GROUP BY e.m ORDER BY 2 NULLS FIRST, 1"), 3)
            }
            9 => (
                format!(
                    "SELECT SUM(CASE WHEN {} THEN 1 ELSE 0 END) AS c0, COUNT(*) FILTER (WHERE {}) AS c1 FROM events e",
                    self.test(),
                    self.test()
                ),
                2,
            ),
            10 => {
                let op = self.0.pick(&["EXCEPT", "INTERSECT", "UNION"]);
                let (a, b) = (self.condition("e"), self.condition("w"));
                (format!("SELECT e.m AS c0, e.s AS c1 FROM events e WHERE {a} {op} SELECT w.m, w.s FROM events w WHERE {b}"), 2)
            }
            11 if self.0.chance(50) => {
                const SIDES: [(&str, &str); 4] = [("NULL", "w.n"), ("NULL", "w.s"), ("e.m", "NULL"), ("e.m", "w.x")];
                let (null, number) = SIDES[self.0.below(SIDES.len())];
                let all = self.0.pick(&["UNION ALL", "UNION", "EXCEPT"]);
                (format!("SELECT {null} AS c0, e.n AS c1 FROM events e WHERE {outer} {all} SELECT {number}, w.n FROM events w"), 2)
            }
            11 => {
                let (a, b, c) = (self.condition("e"), self.condition("w"), self.condition("v"));
                (
                    format!(
                        "SELECT e.m AS c0 FROM events e WHERE {a} EXCEPT SELECT w.n FROM events w WHERE {b} INTERSECT SELECT v.m FROM events v WHERE {c} ORDER BY 1"
                    ),
                    1,
                )
            }
            12 => {
                let fetch = self.0.pick(&["", " FETCH FIRST 4 ROWS ONLY", " OFFSET 1 ROW FETCH NEXT ROW ONLY"]);
                (format!("SELECT DISTINCT ON (e.m) e.m AS c0, e.n AS c1 FROM events e WHERE {outer} ORDER BY e.m, e.n DESC{fetch}"), 2)
            }
            // What USING makes one stands first in its own join, and not in the one around it.
            13 if self.0.chance(25) => {
                let mut kind = || self.0.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
                let (around, within) = (kind(), kind());
                let inner = format!(
                    "(SELECT n AS c0, m AS c2 FROM events WHERE flag) b {within} (SELECT m AS c2, s AS c3 FROM events e WHERE {outer}) c USING (c2)"
                );
                (format!("SELECT * FROM (SELECT n AS c0, x AS c1 FROM events WHERE NOT flag) a {around} ({inner}) USING (c0)"), 4)
            }
            13 => {
                let kind = self.0.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
                // Whole numbers and floats: what both come to is of one type.
                let (of_a, of_b) = *self.0.pick(&[&("n", "n"), &("n", "x"), &("x", "n"), &("x", "x")]);
                let (natural, using) = *self.0.pick(&[&("NATURAL ", ""), &("", " USING (c0)")]);
                let join = format!(
                    "(SELECT {of_a} AS c0, m AS c1 FROM events e WHERE {outer}) a {natural}{kind} (SELECT {of_b} AS c0, s AS c2 FROM events WHERE flag) b{using}"
                );
                let (list, columns) = *self.0.pick(&[
                    &("*", 3),
                    &("a.*", 2),
                    &("c0, a.c0 AS c1, b.c0 AS c2", 3),
                    &("c0 / 2 AS c0, a.c0 IS NULL AS c1", 2),
                    &("COUNT(*) AS c0, COUNT(c0) AS c1, COUNT(a.c0) AS c2, COUNT(b.c0) AS c3", 4),
                ]);
                match self.0.chance(15) {
                    true => (format!("SELECT q.c0, q.c2 AS c1 FROM (SELECT b.*, a.c1 AS other FROM {join}) q"), 2),
                    false => (format!("SELECT {list} FROM {join}"), columns),
                }
            }
            14 if self.0.chance(50) => {
                let sets = self.0.pick(&[
                    "ROLLUP (e.m, e.flag)",
                    "CUBE (e.m, e.flag)",
                    "GROUPING SETS ((e.m, e.flag), (e.flag), ())",
                    "e.m, ROLLUP (e.flag)",
                    "ROLLUP ((e.m, e.flag))",
                    "GROUPING SETS ((e.m), (e.m)), CUBE (e.flag)",
                ]);
                let having = self.0.pick(&["", " HAVING COUNT(*) > 2", " HAVING e.m IS NOT NULL ORDER BY 1, 2, 3"]);
                (
                    format!(
                        "SELECT e.m AS c0, e.flag AS c1, COUNT(*) AS c2, SUM(e.n) AS c3 FROM events e WHERE {outer} GROUP BY {sets}{having}"
                    ),
                    4,
                )
            }
            14 => {
                let by = self.0.pick(&["", "PARTITION BY m "]);
                let call = self.0.pick(&["NTILE(4)", "NTILE(100)", "PERCENT_RANK()", "CUME_DIST()"]);
                (format!("SELECT m AS c0, n AS c1, {call} OVER ({by}ORDER BY n, m, x) AS c2 FROM events e WHERE {outer}"), 3)
            }
            _ => {
                let text = self.0.pick(&[
                    "LPAD(s, 4, 'xy')",
                    "RPAD(s, CAST(m AS INT))",
                    "LPAD(s, CAST(m - 3 AS INT), s)",
                    "RPAD('', 3, s)",
                    "CONCAT_WS('-', s, n, NULL, flag)",
                    "CONCAT_WS(s, m, flag)",
                    "CONCAT(s, flag, m)",
                    "CAST(TIMESTAMP '2013-01-31 24:00:00' AS TEXT)",
                    "DATE_BIN(INTERVAL '17 minutes', t, TIMESTAMP '2012-06-30 12:34:56')",
                    "DATE_BIN(INTERVAL '1 day 3 hours', t, TIMESTAMP '2038-01-01')",
                    "CAST(TIMESTAMP '2013-01-31 11:59:60' AS TEXT)",
                ]);
                (format!("SELECT n AS c0, {text} AS c1 FROM events e WHERE {outer}"), 2)
            }
        }
    }
}

/// Found by trying.
const FOUND: [(&str, usize); 14] = [
    ("SELECT e.x AS c0 FROM events e WHERE e.x + 9007199254740992 IN (SELECT w.n + 9007199254740992 FROM events w)", 1),
    ("SELECT e.n AS c0 FROM events e WHERE e.m IN (SELECT DISTINCT ON (w.m) w.m FROM events w WHERE w.flag = e.flag ORDER BY w.m)", 1),
    ("SELECT e.n AS c0 FROM events e WHERE EXISTS (SELECT DISTINCT ON (w.m) 1 FROM events w WHERE w.s = e.s)", 1),
    ("SELECT e.n AS c0, (SELECT COUNT(*) FROM events w WHERE w.n = e.m OFFSET 1) AS c1 FROM events e", 2),
    ("SELECT e.n AS c0, (SELECT COUNT(*) FROM events w WHERE w.n = e.m LIMIT 0) AS c1 FROM events e", 2),
    ("SELECT n AS c0, CUME_DIST() OVER (ORDER BY n, m, x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS c1 FROM events", 2),
    ("SELECT e.n AS c0 FROM events e WHERE e.m <> 3 AND 10 / (e.m - 3) IN (SELECT w.n FROM events w)", 1),
    ("SELECT e.n AS c0 FROM events e WHERE e.m <> 3 AND 10 / (e.m - 3) NOT IN (SELECT w.n FROM events w WHERE w.n IS NOT NULL)", 1),
    ("SELECT e.n IN (SELECT m FROM events) AS c0, COUNT(*) AS c1 FROM events e GROUP BY e.n IN (SELECT m FROM events) ORDER BY 1, 2", 2),
    ("SELECT DISTINCT ON (e.m, e.m) e.m AS c0, e.n AS c1 FROM events e ORDER BY e.m, e.n", 2),
    ("SELECT e.n AS c0 FROM events e WHERE EXISTS ((SELECT 1 FROM events w WHERE w.n = e.m))", 1),
    ("SELECT e.n AS c0, (SELECT w.n AS foo FROM events w WHERE w.m = e.m ORDER BY foo DESC NULLS LAST LIMIT 1) AS c1 FROM events e", 2),
    ("SELECT e.n AS c0 FROM events e WHERE 5 IN (SELECT 5 FROM events w WHERE e.n > 1 AND w.m = e.m)", 1),
    ("SELECT e.n AS c0 FROM events e WHERE e.n NOT IN (SELECT 1 FROM events)", 1),
];

#[test]
fn plans_answer_as_postgresql_does() {
    let Ok(socket) = std::env::var("TWOPATH_TEST_POSTGRES") else {
        eprintln!("SKIPPED: no PostgreSQL (run the tests by tests/postgres/server run ...)");
        return;
    };
    let mut random = Random::new(11);
    let Events { batch, values: rows } = Events::new(&mut random);
    let found = FOUND.iter().map(|(sql, columns)| ((*sql).to_owned(), *columns));
    let queries: Vec<(String, usize)> = found.chain((0..QUERIES).map(|_| Maker(&mut random).query())).collect();
    let asked: Vec<(&str, usize)> = queries.iter().map(|(sql, columns)| (sql.as_str(), *columns)).collect();
    let answers = ask(&socket, &rows, &asked);
    let (mut errors, mut rows_seen, mut wrong) = (0, 0, Vec::new());
    for ((sql, _), expected) in queries.iter().zip(&answers) {
        let plan = match logical_plan(sql, "events", &schema()) {
            Ok(plan) => plan,
            Err(e) => {
                wrong.push(e.report(sql));
                continue;
            }
        };
        let ordered =
            sql.contains("ORDER BY 1") || sql.contains("ORDER BY 2") || (sql.contains("ORDER BY e.m") && !sql.contains("WITH TIES"));
        let in_order = |mut rows: Vec<Vec<String>>| {
            if !ordered {
                rows.sort_unstable();
            }
            rows
        };
        let types: Vec<_> = plan.columns().iter().map(|(_, t)| *t).collect();
        let expected = expected.as_ref().map(|rows| {
            let row = |row: &Row| row.iter().zip(&types).map(|(text, t)| theirs_shown(text, *t, false)).collect();
            in_order(rows.iter().map(row).collect())
        });
        errors += usize::from(expected.is_none());
        rows_seen += expected.as_ref().map_or(0, Vec::len);
        let mut reference = PlanReference::new(plan.clone());
        reference.push("events", &batch).expect("the topic's rows");
        for (who, got) in [("reference", reference.answer().ok()), ("program", by_program(&plan, &batch))] {
            let got = got.map(|rows| in_order(rows.iter().map(|row| row.iter().map(|v| shown(v, false)).collect()).collect()));
            if !are_equal(got.as_deref(), expected.as_deref(), &vec![false; types.len()]) {
                let sides = (got.as_ref().map(Vec::len), expected.as_ref().map(Vec::len));
                let first = got.iter().flatten().zip(expected.iter().flatten()).find(|(g, e)| g != e);
                wrong.push(format!("{who}: {sql}\n  rows {sides:?}, differ first: {first:?}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} answers differ:\n{}", wrong.len(), 2 * QUERIES, wrong.join("\n"));
    assert!(errors * 5 < QUERIES as usize, "{errors} queries are errors in PostgreSQL");
    assert!(rows_seen > 5_000, "only {rows_seen} rows were compared");
}

/// What engines keep of the plan, and what is computed of that.
fn by_program(plan: &Plan, batch: &arrow_array::RecordBatch) -> Option<Vec<Vec<Value>>> {
    let program = plan.program().ok()?;
    let answers: Option<Vec<_>> = program.inputs.iter().map(|query| engine(query, batch)).collect();
    values::rows(&finish(&program, &answers?).ok()?).ok()
}
