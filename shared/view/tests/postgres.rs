//! Answers against a real PostgreSQL: random queries of what SQL can say here, over the same rows.
//!
//! It wants `TWOPATH_TEST_POSTGRES`, the folder of a server's socket (`tests/postgres/server run` sets it), and is skipped aloud without.
//! Each query is written twice, for Twopath and for PostgreSQL, where the two have different names for one thing; what differs is in
//! [`Both`]'s makers and nowhere else. The reference interpreter and the engines' accumulators both answer. Answers with ORDER BY are compared row by
//! row, others as bags; floats are compared to the last digit, but for what PostgreSQL itself does not round correctly.

mod events;
mod psql;

use events::{Events, TEXTS, engine, schema};
use psql::{Row, are_equal, ask, shown, theirs_shown};
use twopath_query::arbitrary::Random;
use twopath_query::{Value, parse, values};
use twopath_reference::Reference;

const QUERIES: u64 = 800;

/// One expression in both dialects.
#[derive(Clone)]
struct Both {
    ours: String,
    theirs: String,
    /// PostgreSQL rounds more than once on the way: a mean or variance as a numeric of some digits, sums of floats in the order of rows.
    rounded: bool,
}

fn same(text: impl Into<String>) -> Both {
    let ours = text.into();
    Both { theirs: ours.clone(), ours, rounded: false }
}

fn rounded(both: Both) -> Both {
    Both { rounded: true, ..both }
}

/// A form with `$1`, `$2`, `$3` in the place of operands, for Twopath and for PostgreSQL.
fn form(ours: &str, theirs: &str, operands: &[Both]) -> Both {
    let filled = |form: &str, text: fn(&Both) -> &String| {
        let mut filled = form.to_owned();
        operands.iter().enumerate().for_each(|(i, o)| filled = filled.replace(&format!("${}", i + 1), text(o)));
        filled
    };
    let rounded = operands.iter().any(|o| o.rounded);
    Both { ours: filled(ours, |b| &b.ours), theirs: filled(theirs, |b| &b.theirs), rounded }
}

fn alike(text: &str, operands: &[Both]) -> Both {
    form(text, text, operands)
}

/// A query in both dialects.
struct Asked {
    ours: String,
    theirs: String,
    /// By column.
    rounded: Vec<bool>,
    ordered: bool,
}

struct Maker<'a>(&'a mut Random);

impl Maker<'_> {
    fn literal(&mut self) -> Both {
        same(format!("'{}'::text", self.0.pick(&TEXTS).replace('\'', "''")))
    }

    fn int(&mut self, depth: u32) -> Both {
        if depth == 0 {
            return match self.0.below(4) {
                0 => same(format!("{}::bigint", self.0.between(0, 9))),
                1 => same("m"),
                _ => same("n"),
            };
        }
        let d = depth - 1;
        match self.0.below(21) {
            17 => alike(&format!("($1 {} $2)", self.0.pick(&["&", "|", "#"])), &[self.int(d), self.int(d)]),
            18 => {
                let shift = format!("{} {}", self.0.pick(&["<<", ">>"]), self.0.pick(&["1", "3", "63", "64", "-1"]));
                form(&format!("($1 {shift})"), &format!("(CAST($1 AS BIGINT) {shift})"), &[self.int(d)])
            }
            19 => alike("(~ $1)", &[self.int(d)]),
            0 => alike("($1 + $2)", &[self.int(d), self.int(d)]),
            1 => alike("($1 - $2)", &[self.int(d), self.int(d)]),
            2 => alike("($1 * 3)", &[self.int(d)]),
            3 => alike("($1 / 4)", &[self.int(d)]),
            4 => alike("($1 % 7)", &[self.int(d)]),
            5 => alike("COALESCE($1, $2)", &[self.int(d), self.int(d)]),
            6 => alike("NULLIF($1, $2)", &[self.int(d), self.int(d)]),
            7 => alike("ABS($1)", &[self.int(d)]),
            8 => alike("GREATEST($1, $2)", &[self.int(d), self.int(d)]),
            9 => alike("LEAST($1, $2, 5)", &[self.int(d), self.int(d)]),
            10 => alike("LENGTH($1)", &[self.text(d)]),
            11 => alike("POSITION('a' IN $1)", &[self.text(d)]),
            12 => alike("STRPOS($1, $2)", &[self.text(d), self.text(0)]),
            13 => form("CAST($1 AS BIGINT)", "CAST(CAST($1 AS INT) AS BIGINT)", &[self.condition(d)]),
            14 => alike("CASE WHEN $1 THEN $2 ELSE $3 END", &[self.condition(d), self.int(d), self.int(d)]),
            15 => {
                let field = self.0.pick(&[
                    "MILLENNIUM",
                    "CENTURY",
                    "DECADE",
                    "YEAR",
                    "QUARTER",
                    "MONTH",
                    "WEEK",
                    "DAY",
                    "DOW",
                    "DOY",
                    "ISODOW",
                    "ISOYEAR",
                    "HOUR",
                    "MINUTE",
                ]);
                alike(&format!("CAST(EXTRACT({field} FROM $1) AS BIGINT)"), &[self.time(d)])
            }
            16 => alike("CAST($1 AS BIGINT)", &[self.float(d)]),
            _ => alike("MOD($1, 5)", &[self.int(d)]),
        }
    }

    fn float(&mut self, depth: u32) -> Both {
        if depth == 0 {
            return match self.0.below(3) {
                0 => same(format!("{:?}::double precision", self.0.between(0, 80) as f64 / 8.0)),
                _ => same("x"),
            };
        }
        let d = depth - 1;
        match self.0.below(15) {
            13 => rounded(alike("CAST(EXTRACT(JULIAN FROM $1) AS DOUBLE PRECISION)", &[self.time(d)])),
            0 => alike("($1 + $2)", &[self.float(d), self.float(d)]),
            1 => alike("($1 * $2)", &[self.float(d), self.float(d)]),
            2 => alike("($1 / 4.0::double precision)", &[self.float(d)]),
            3 => alike("ROUND($1)", &[self.float(d)]),
            4 => alike("FLOOR($1)", &[self.float(d)]),
            5 => alike("CEIL($1)", &[self.float(d)]),
            6 => alike("TRUNC($1)", &[self.float(d)]),
            7 => alike("SIGN($1)", &[self.float(d)]),
            8 => {
                let digits = self.0.between(-2, 3);
                form(&format!("ROUND($1, {digits})"), &format!("ROUND(CAST($1 AS NUMERIC), {digits})::double precision"), &[self.float(0)])
            }
            9 => alike("SQRT(ABS($1))", &[self.float(d)]),
            10 => alike("CAST($1 AS DOUBLE PRECISION)", &[self.int(d)]),
            11 => alike("CAST(EXTRACT(SECOND FROM $1) AS DOUBLE PRECISION)", &[self.time(d)]),
            12 => alike("CAST(EXTRACT(EPOCH FROM $1) AS DOUBLE PRECISION)", &[self.time(d)]),
            _ => alike("GREATEST($1, $2)", &[self.float(d), self.float(d)]),
        }
    }

    fn text(&mut self, depth: u32) -> Both {
        if depth == 0 {
            return if self.0.chance(20) { self.literal() } else { same("s") };
        }
        let d = depth - 1;
        let text = self.text(d);
        match self.0.below(21) {
            20 => alike("INITCAP($1)", &[text]),
            18 => alike(&format!("REGEXP_SUBSTR($1, '{}')", self.0.pick(&["[a-z]+", "a.", "[^a]*$", "b|n"])), &[text]),
            19 => {
                let rest = self.0.pick(&[
                    "'a', '-'",
                    "'a*', '<\\&>', 'g'",
                    "'', '-', 'g'",
                    "'x*', '+'",
                    "'(.)(a)', '<\\2\\1>', 'g'",
                    "'[ab]+', '\\&\\&', 'i'",
                    "'é', '', 'gi'",
                ]);
                alike(&format!("REGEXP_REPLACE($1, {rest})"), &[text])
            }
            0 => alike("UPPER($1)", &[text]),
            1 => alike("LOWER($1)", &[text]),
            2 => alike("($1 || $2)", &[text, same("s")]),
            3 => alike("($1 || '-' || $2)", &[self.int(d), text]),
            4 => alike(&format!("SUBSTRING($1 FROM {} FOR {})", self.0.between(-2, 4), self.0.between(0, 4)), &[text]),
            5 => alike(&format!("SUBSTR($1, {})", self.0.between(-1, 4)), &[text]),
            6 => alike(&format!("LEFT($1, {})", self.0.between(-3, 4)), &[text]),
            7 => alike(&format!("RIGHT($1, {})", self.0.between(-3, 4)), &[text]),
            8 => alike("REPLACE($1, 'a', $2)", &[text, self.literal()]),
            9 => alike(&format!("TRIM({} 'a ' FROM $1)", self.0.pick(&["BOTH", "LEADING", "TRAILING"])), &[text]),
            10 => alike("TRIM($1)", &[text]),
            11 => alike(&format!("SPLIT_PART($1, 'a', {})", [1, 2, -1, -2][self.0.below(4)]), &[text]),
            12 => alike("REVERSE($1)", &[text]),
            13 => alike("CONCAT($1, $2)", &[text, self.int(d)]),
            14 => alike("CAST($1 AS TEXT)", &[self.float(0)]),
            15 => alike("CAST($1 AS TEXT)", &[self.time(d)]),
            16 => alike("CAST($1 AS TEXT)", &[self.condition(0)]),
            17 => {
                let patterns = [
                    "YYYY-MM-DD HH24:MI:SS.US",
                    "FMDD.FMMM.YY, HH:MI AM",
                    "Day, DD Month YYYY",
                    "FMDay FMMONTH dy Mon MS",
                    "DDD Q ID IW D \"of YYYY\" hh12 pm",
                ];
                alike(&format!("TO_CHAR($1, '{}')", self.0.pick(&patterns)), &[self.time(d)])
            }
            _ => alike(&format!("REPEAT($1, {})", self.0.between(-1, 3)), &[text]),
        }
    }

    fn time(&mut self, depth: u32) -> Both {
        if depth == 0 {
            return if self.0.chance(15) { same("TIMESTAMP '2013-02-28 12:30:00.25'") } else { same("t") };
        }
        let time = self.time(depth - 1);
        match self.0.below(8) {
            0 => {
                let unit = self.0.pick(&["millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"]);
                alike(&format!("DATE_TRUNC('{unit}', $1)"), &[time])
            }
            1 => alike(&format!("($1 + INTERVAL '{} months')", self.0.between(-20, 20)), &[time]),
            2 => alike("($1 - INTERVAL '90 minutes')", &[time]),
            3 => {
                let zone = self.0.pick(&["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]);
                form(&format!("(t AT TIME ZONE '{zone}')"), &format!("(t AT TIME ZONE 'UTC' AT TIME ZONE '{zone}')"), &[])
            }
            4 => alike("CAST(CAST($1 AS TEXT) AS TIMESTAMP)", &[time]),
            5 => alike("GREATEST($1, t)", &[time]),
            6 => {
                let many = ["m * INTERVAL '90 minutes'", "INTERVAL '1 hour' * m * 0.25", "(t - $1) * 2", "INTERVAL '7 days' / 2"];
                alike(&format!("($1 + {})", self.0.pick(&many)), &[time])
            }
            _ => time,
        }
    }

    fn condition(&mut self, depth: u32) -> Both {
        let d = depth.saturating_sub(1);
        let not = self.0.pick(&["", "NOT "]);
        match self.0.below(if depth == 0 { 4 } else { 11 }) {
            10 => {
                let pattern = self.0.pick(&["'^a'", "'b.*a'", "'(an)+'", "'[^a-z]'", "'é$'", "'^$'"]);
                alike(&format!("($1 {} {pattern})", self.0.pick(&["~", "~*", "!~", "!~*"])), &[self.text(d)])
            }
            0 => same("flag"),
            1 => alike("($1 > 3)", &[self.int(d)]),
            2 => alike("($1 IS NULL)", &[self.text(0)]),
            3 => alike("($1 <= $2)", &[self.float(d), self.float(0)]),
            4 => alike("($1 AND $2)", &[self.condition(d), self.condition(d)]),
            5 => alike("($1 OR NOT $2)", &[self.condition(d), self.condition(d)]),
            6 => {
                let pattern = self.0.pick(&["'%a%'", "'a%'", "'_b%'", "'%\\%%'", "'%é'", "''", "'%n_n%'"]);
                alike(&format!("($1 {not}{} {pattern})", self.0.pick(&["LIKE", "ILIKE"])), &[self.text(d)])
            }
            7 => alike("($1 LIKE '%!_%' ESCAPE '!')", &[self.text(d)]),
            8 => alike(&format!("($1 {not}BETWEEN 2 AND $2)"), &[self.int(d), self.int(d)]),
            _ => alike(&format!("($1 {not}IN ($2, 'a', NULL))"), &[self.text(d), self.literal()]),
        }
    }

    fn value(&mut self, depth: u32) -> Both {
        match self.0.below(5) {
            0 => self.int(depth),
            1 => self.float(depth),
            2 => self.text(depth),
            3 => self.time(depth),
            _ => self.condition(depth),
        }
    }

    fn aggregate(&mut self) -> Both {
        let depth = self.0.below(3) as u32;
        let call = match self.0.below(28) {
            26 => alike("COUNT(DISTINCT ($1, $2))", &[self.value(depth), self.value(depth)]),
            27 => {
                let theirs = "COUNT(DISTINCT CASE WHEN ($1) IS NOT NULL AND ($2) IS NOT NULL THEN ($1, $2) END)";
                form("COUNT(DISTINCT $1, $2)", theirs, &[self.value(depth), self.value(depth)])
            }
            24 | 25 => self.texts(depth),
            17 => {
                let names =
                    ["CORR", "COVAR_POP", "COVAR_SAMP", "REGR_SLOPE", "REGR_INTERCEPT", "REGR_R2", "REGR_AVGX", "REGR_SXX", "REGR_SXY"];
                rounded(alike(&format!("{}($1, $2)", self.0.pick(&names)), &[same("x"), same("n")]))
            }
            18 => alike("REGR_COUNT($1, $2)", &[self.float(depth), same("x")]),
            19 => return self.in_log_order(depth),
            20 => return self.in_own_order(depth),
            21 => alike("SUM(DISTINCT $1)", &[self.int(depth)]),
            22 => rounded(alike("AVG(DISTINCT $1)", &[self.int(depth)])),
            23 => alike("MODE() WITHIN GROUP (ORDER BY $1)", &[self.text(depth)]),
            0 => same("COUNT(*)"),
            1 => alike("COUNT($1)", &[self.value(depth)]),
            2 => alike("COUNT(DISTINCT $1)", &[self.value(depth)]),
            3 => alike("SUM($1)", &[self.int(depth)]),
            4 => alike("SUM($1)", &[same("x")]),
            5 => rounded(alike("AVG($1)", &[self.int(depth)])),
            6 => alike("MIN($1)", &[self.text(depth)]),
            7 => alike("MAX($1)", &[self.time(depth)]),
            8 => alike("MIN($1)", &[self.float(depth)]),
            9 => rounded(alike(&format!("{}($1)", self.0.pick(&["STDDEV", "STDDEV_POP", "VARIANCE", "VAR_POP"])), &[self.int(depth)])),
            10 => rounded(alike(&format!("{}($1)", self.0.pick(&["STDDEV_SAMP", "VAR_SAMP", "VAR_POP"])), &[same("x")])),
            11 => form("MEDIAN($1)", "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY $1)", &[self.int(depth)]),
            12 => alike("PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY $1)", &[self.float(depth)]),
            13 => alike("PERCENTILE_DISC(0.3) WITHIN GROUP (ORDER BY $1)", &[self.text(depth)]),
            14 => alike(&format!("{}($1)", self.0.pick(&["BOOL_AND", "BOOL_OR", "EVERY"])), &[self.condition(depth)]),
            15 => alike(&format!("{}($1)", self.0.pick(&["BIT_AND", "BIT_OR", "BIT_XOR"])), &[self.int(depth)]),
            _ => alike("MAX($1)", &[self.int(depth)]),
        };
        if self.0.chance(20) { alike("$1 FILTER (WHERE $2)", &[call, self.condition(1)]) } else { call }
    }

    /// FIRST_VALUE and LAST_VALUE; a PostgreSQL of this age makes a list of all.
    fn in_log_order(&mut self, depth: u32) -> Both {
        let value = self.value(depth);
        let (name, order) = [("FIRST_VALUE", "i"), ("LAST_VALUE", "i DESC")][self.0.below(2)];
        let ignore = self.0.chance(50);
        let condition = if self.0.chance(30) { Some(self.condition(1)) } else { None };
        let nulls = if ignore { " IGNORE NULLS" } else { "" };
        let filters = [ignore.then(|| format!("({}) IS NOT NULL", value.theirs)), condition.as_ref().map(|c| c.theirs.clone())];
        let filters: Vec<String> = filters.into_iter().flatten().collect();
        let theirs_filter = if filters.is_empty() { String::new() } else { format!(" FILTER (WHERE {})", filters.join(" AND ")) };
        Both {
            ours: match condition {
                Some(condition) => format!("{name}({}) FILTER (WHERE {}){nulls}", value.ours, condition.ours),
                None => format!("{name}({}){nulls}", value.ours),
            },
            theirs: format!("(ARRAY_AGG({} ORDER BY {order}){theirs_filter})[1]", value.theirs),
            rounded: value.rounded,
        }
    }

    /// FIRST_VALUE and LAST_VALUE with an order of their own, MIN_BY and MAX_BY: what is alike in that goes by the log's order.
    fn in_own_order(&mut self, depth: u32) -> Both {
        let (value, by) = (self.value(depth), self.value(depth));
        let condition = self.condition(1);
        let (ours, order, nulls) = match self.0.below(6) {
            0 => ("FIRST_VALUE($1 ORDER BY $2)", "$2, i", true),
            1 => ("FIRST_VALUE($1 ORDER BY $2 DESC, m NULLS FIRST)", "$2 DESC, m NULLS FIRST, i", true),
            2 => ("LAST_VALUE($1 ORDER BY $2)", "$2 DESC NULLS FIRST, i DESC", true),
            3 => ("LAST_VALUE($1 ORDER BY m DESC NULLS LAST, $2)", "m NULLS FIRST, $2 DESC NULLS FIRST, i DESC", true),
            4 => ("MIN_BY($1, $2)", "$2, i", false),
            _ => ("MAX_BY($1, $2)", "$2 DESC, i", false),
        };
        let there = if nulls { "" } else { " AND ($2) IS NOT NULL" };
        let theirs = format!("(ARRAY_AGG($1 ORDER BY {order}) FILTER (WHERE ($3){there}))[1]");
        form(&format!("{ours} FILTER (WHERE $3)"), &theirs, &[value, by, condition])
    }

    fn texts(&mut self, depth: u32) -> Both {
        let separator = self.0.pick(&["', '", "''", "'é'", "s"]);
        match self.0.below(4) {
            0 => alike("STRING_AGG(DISTINCT $1, ', ')", &[self.text(depth)]),
            1 => alike("STRING_AGG(DISTINCT $1, ', ' ORDER BY $1 DESC)", &[self.text(0)]),
            2 => form(&format!("STRING_AGG($1, {separator})"), &format!("STRING_AGG($1, {separator} ORDER BY i)"), &[self.text(depth)]),
            _ => {
                let direction = self.0.pick(&["", " DESC", " NULLS FIRST"]);
                let form_of = |rest| format!("STRING_AGG($1, {separator} ORDER BY $2{direction}{rest})");
                form(&form_of(""), &form_of(", i"), &[self.text(depth), self.value(depth)])
            }
        }
    }

    /// What stands before SELECT, and in FROM. Where it is a subquery, it puts the rows' places out, too.
    fn source(&mut self) -> (Both, Both) {
        const OURS: &str = "_arrival, _partition, _offset";
        match self.0.below(8) {
            0 | 1 => {
                let inner = "(SELECT n, m, x, s, t, NOT flag AS flag, # FROM events WHERE $1) AS e";
                (same(""), form(&inner.replace('#', OURS), &inner.replace('#', "i"), &[self.condition(1)]))
            }
            2 => {
                let with = "WITH w AS (SELECT n + 1 AS n, m, x, UPPER(s) AS s, t, flag, # FROM events) ";
                (form(&with.replace('#', OURS), &with.replace('#', "i"), &[]), same("w"))
            }
            _ => (same(""), same("events")),
        }
    }

    fn query(&mut self) -> Asked {
        if self.0.chance(15) {
            return self.windowed();
        }
        let depth = 1 + self.0.below(2) as u32;
        let filter = if self.0.chance(40) { alike(" WHERE $1", &[self.condition(depth)]) } else { same("") };
        let (with, from) = self.source();
        if self.0.chance(40) {
            let distinct = self.0.pick(&["", "", "DISTINCT "]);
            let (a, b) = (self.value(depth), self.value(depth));
            // Ordered by all that is put out, so that OFFSET and LIMIT cut at the same place.
            let by = ["", "", " ORDER BY 1, 2 DESC", " ORDER BY 2 NULLS FIRST, 1 DESC NULLS LAST", " ORDER BY 1, 2 DESC LIMIT 9 OFFSET 3"];
            let tail = self.0.pick(&by);
            return asked(&format!("$1SELECT {distinct}$2 AS c0, $3 AS c1 FROM $4$5{tail}"), &[with, a, b, from, filter], 1..3);
        }
        let (a, b) = (self.aggregate(), self.aggregate());
        if self.0.chance(25) {
            return asked("$1SELECT $2 AS c0, $3 AS c1 FROM $4$5", &[with, a, b, from, filter], 1..3);
        }
        let key = self.value(1);
        let having = if self.0.chance(30) { " HAVING COUNT(*) > 1" } else { "" };
        // Groups have different keys.
        let tail = self.0.pick(&["", " ORDER BY 1", " ORDER BY 1 DESC", " ORDER BY COUNT(*) DESC, 1 NULLS FIRST LIMIT 7"]);
        let form = format!("$1SELECT $2 AS c0, $3 AS c1, $4 AS c2 FROM $5$6 GROUP BY 1{having}{tail}");
        asked(&form, &[with, key, a, b, from, filter], 1..4)
    }

    /// A tumbling window, which PostgreSQL writes as DATE_BIN or DATE_TRUNC.
    fn windowed(&mut self) -> Asked {
        let sizes = [
            ("'15' MINUTE", "DATE_BIN('15 minutes', t, TIMESTAMP '1970-01-01')", "15 minutes"),
            ("'7' DAY", "DATE_BIN('7 days', t, TIMESTAMP '1970-01-01')", "7 days"),
            ("'1000' SECOND", "DATE_BIN('1000 seconds', t, TIMESTAMP '1970-01-01')", "1000 seconds"),
            ("'1' WEEK", "DATE_TRUNC('week', t)", "7 days"),
            ("'1' MONTH", "DATE_TRUNC('month', t)", "1 month"),
            ("'3' MONTH", "DATE_TRUNC('quarter', t)", "3 months"),
            ("'1' YEAR", "DATE_TRUNC('year', t)", "1 year"),
        ];
        let (size, start, length) = sizes[self.0.below(sizes.len())];
        let from = Both {
            ours: format!(
                "TUMBLE(TABLE (SELECT *, _arrival, _partition, _offset FROM events WHERE t IS NOT NULL), DESCRIPTOR(t), INTERVAL {size})"
            ),
            theirs: format!(
                "(SELECT *, {start} AS window_start, {start} + INTERVAL '{length}' AS window_end FROM events WHERE t IS NOT NULL) w"
            ),
            rounded: false,
        };
        let (a, key) = (self.aggregate(), self.0.pick(&["m", "flag", "LENGTH(s)"]));
        let form = format!(
            "SELECT window_start AS c0, window_end AS c1, {key} AS c2, $1 AS c3 FROM $2 GROUP BY window_start, window_end, 3 ORDER BY 1, 3 DESC"
        );
        let mut asked = asked(&form, &[a, from], 0..1);
        asked.rounded = [vec![false; 3], asked.rounded].concat();
        asked
    }
}

/// A query of this form, of whose operands these are put out.
fn asked(text: &str, operands: &[Both], put_out: std::ops::Range<usize>) -> Asked {
    let both = alike(text, operands);
    let rounded = operands[put_out].iter().map(|o| o.rounded).collect();
    Asked {
        ordered: both.ours.contains("ORDER BY 1") || both.ours.contains("ORDER BY 2") || both.ours.contains("ORDER BY COUNT"),
        ours: both.ours,
        theirs: both.theirs,
        rounded,
    }
}

#[test]
fn answers_are_those_of_postgresql() {
    let Ok(socket) = std::env::var("TWOPATH_TEST_POSTGRES") else {
        eprintln!("SKIPPED: no PostgreSQL (run the tests by tests/postgres/server run ...)");
        return;
    };
    let mut random = Random::new(7);
    let Events { batch, values } = Events::new(&mut random);
    let queries: Vec<Asked> = (0..QUERIES).map(|_| Maker(&mut random).query()).collect();
    let asked: Vec<(&str, usize)> = queries.iter().map(|q| (q.theirs.as_str(), q.rounded.len())).collect();
    let answers = ask(&socket, &values, &asked);
    let (mut errors, mut rows_seen, mut ordered_seen) = (0, 0, 0);
    let mut wrong = Vec::new();
    for (query, expected) in queries.iter().zip(&answers) {
        let sql = &query.ours;
        let parsed = match parse(sql, "events", &schema()) {
            Ok(parsed) => parsed,
            Err(e) => {
                wrong.push(format!("{}\n", e.report(sql)));
                continue;
            }
        };
        let mut reference = Reference::new(parsed.clone());
        reference.push(&batch);
        let in_order = |mut rows: Vec<Vec<String>>| {
            if !query.ordered {
                rows.sort_unstable();
            }
            rows
        };
        let expected = expected.as_ref().map(|rows| {
            let types = || parsed.output.iter().map(|o| o.expr.data_type).zip(&query.rounded);
            let row = |row: &Row| row.iter().zip(types()).map(|(text, (t, rounded))| theirs_shown(text, t, *rounded)).collect();
            in_order(rows.iter().map(row).collect())
        });
        errors += usize::from(expected.is_none());
        rows_seen += expected.as_ref().map_or(0, Vec::len);
        ordered_seen += usize::from(query.ordered);
        for (who, got) in
            [("reference", reference.answer().ok()), ("engine", engine(&parsed, &batch).and_then(|rows| values::rows(&rows).ok()))]
        {
            let shown = |row: &Vec<Value>| row.iter().zip(&query.rounded).map(|(v, rounded)| shown(v, *rounded)).collect();
            let got = got.map(|rows| in_order(rows.iter().map(shown).collect()));
            if !are_equal(got.as_deref(), expected.as_deref(), &query.rounded) {
                let first = got.iter().flatten().zip(expected.iter().flatten()).find(|(g, e)| g != e);
                wrong.push(format!("{who}: {sql}\nPostgreSQL's: {}\n  differ first: {first:?}\n", query.theirs));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} answers differ:\n{}", wrong.len(), 2 * QUERIES, wrong.join("\n"));
    assert!(errors * 5 < QUERIES as usize, "{errors} queries are errors in PostgreSQL");
    assert!(rows_seen > 2_000 && ordered_seen > 200, "only {rows_seen} rows of {ordered_seen} ordered answers were compared");
}
