//! Random queries.

use arrow_schema::Schema;
use twopath_base::LogColumn;

use super::expr::{Columns, text_literal};
use super::{Profile, Random};
use crate::display::identifier;
use crate::types::{DataType, log_column_type};

/// How deep expressions nest, at most and exclusive.
const DEPTH_MAX: usize = 4;

/// A valid query over a topic that has at least one column, as SQL, of what every engine has ([`Profile::BASIC`]).
pub fn sql(random: &mut Random, topic: &str, schema: &Schema) -> String {
    sql_of(random, topic, schema, Profile::BASIC)
}

/// A valid query over a topic, as SQL. With [`Profile::functions`] the topic has a time `at`, as those of [`super::schema`] have.
pub fn sql_of(random: &mut Random, topic: &str, schema: &Schema, profile: Profile) -> String {
    let mut columns = Columns::of(schema, profile.functions);
    if profile.log {
        LogColumn::EACH.iter().for_each(|c| columns.add(c.name(), log_column_type(*c)));
    }
    let form = random.below(100);
    let topic = identifier(topic);
    let mut with = String::new();
    let mut relation = topic.clone();
    let mut from = topic.clone();
    if profile.shapes && random.chance(30) {
        // A subquery with one column more, where it stands or by name.
        let depth = random.below(DEPTH_MAX) as u32;
        let computed = columns.int(random, depth);
        let filter = if random.chance(50) { format!(" WHERE {}", columns.condition(random, 2)) } else { String::new() };
        let log = if profile.log { LogColumn::EACH.map(|c| format!(", {}", c.name())).concat() } else { String::new() };
        let query = format!("SELECT *{log}, {computed} AS computed FROM {topic}{filter}");
        columns.add("computed", DataType::Int);
        if random.chance(50) {
            with = format!("WITH w AS ({query}) ");
            (relation, from) = ("w".to_owned(), "w".to_owned());
        } else {
            (relation, from) = (format!("({query})"), format!("({query}) s"));
        }
    }
    let times = columns.of_type(DataType::Timestamp);
    let window = (!times.is_empty() && random.chance(45)).then(|| {
        let fixed = ["'1' MINUTE", "'7' MINUTE", "'1' HOUR", "'1' HOUR", "'1 day'", "'7 days'", "'250 milliseconds'"];
        let calendar = ["'1' WEEK", "'1' MONTH", "'3' MONTH", "'1 year'"];
        let size = if profile.shapes && random.chance(30) { random.pick(&calendar) } else { random.pick(&fixed) };
        format!("TUMBLE(TABLE {relation}, DESCRIPTOR({}), INTERVAL {size})", random.pick(&times))
    });
    let mut text = Text { random, columns: &columns, windowed: window.is_some(), profile };
    let select = match form {
        0..=9 => text.rows(),
        10..=24 => text.grouped(0),
        _ => {
            let keys = 1 + text.random.below(3);
            text.grouped(keys)
        }
    };
    let filter = if text.random.chance(40) { format!(" WHERE {}", text.condition()) } else { String::new() };
    let mut limit = if text.random.chance(25) { format!(" LIMIT {}", text.random.below(12)) } else { String::new() };
    if profile.shapes && text.random.chance(15) {
        limit += &format!(" OFFSET {}", text.random.below(5));
    }
    let distinct = if select.can_be_distinct && profile.shapes && text.random.chance(25) { "DISTINCT " } else { "" };
    let from = window.unwrap_or(from);
    format!("{with}SELECT {distinct}{} FROM {from}{filter}{}{limit}", select.list, select.rest)
}

/// A query in the making: what stands before FROM, and what stands after WHERE.
struct Select {
    list: String,
    rest: String,
    /// Whether it is ordered by what it puts out, and by nothing that is rounded.
    can_be_distinct: bool,
}

struct Text<'a> {
    random: &'a mut Random,
    columns: &'a Columns,
    windowed: bool,
    profile: Profile,
}

impl Text<'_> {
    fn depth(&mut self) -> u32 {
        self.random.below(DEPTH_MAX) as u32
    }

    fn condition(&mut self) -> String {
        let depth = self.depth();
        self.columns.condition(self.random, depth)
    }

    fn rows(&mut self) -> Select {
        if self.random.chance(20) {
            return Select { list: "*".to_owned(), rest: String::new(), can_be_distinct: true };
        }
        let count = 1 + self.random.below(3);
        let items: Vec<String> = (0..count).map(|_| self.key()).collect();
        let rest = if self.random.chance(50) {
            let first = self.random.below(count) + 1;
            format!(" ORDER BY {}, {}", self.ordered(&first.to_string()), self.columns.any(self.random))
        } else {
            String::new()
        };
        let can_be_distinct = rest.is_empty();
        Select { list: items.join(", "), rest, can_be_distinct }
    }

    fn ordered(&mut self, expr: &str) -> String {
        let direction = self.random.pick(&["", " ASC", " DESC", " DESC"]);
        let nulls = self.random.pick(&["", "", " NULLS FIRST", " NULLS LAST"]);
        format!("{expr}{direction}{nulls}")
    }

    /// What groups are made by: mostly something with few values.
    fn key(&mut self) -> String {
        let (random, columns) = (&mut *self.random, self.columns);
        match random.below(10) {
            0..=2 if self.windowed => random.pick(&["window_start", "window_start", "window_end"]).to_owned(),
            3 | 4 => columns.text(random, 0),
            5 => format!("{} % 5", columns.int(random, 0)),
            6 => columns.condition(random, 1),
            7 => format!("DATE_TRUNC('{}', {})", random.pick(&["hour", "day", "month"]), columns.time(random, 0)),
            8 => columns.any(random).to_owned(),
            _ => {
                let depth = random.below(DEPTH_MAX) as u32;
                columns.expr(random, depth)
            }
        }
    }

    /// An aggregate, and whether it is exact.
    fn aggregate(&mut self) -> (String, bool) {
        let depth = self.depth();
        let (random, columns) = (&mut *self.random, self.columns);
        let any = |random: &mut Random| columns.expr(random, depth);
        let decimals = !columns.decimals().is_empty() && random.chance(40);
        if self.profile.aggregates && self.profile.log && random.chance(15) {
            let (name, nulls) = (random.pick(&["FIRST_VALUE", "LAST_VALUE"]), random.pick(&["", " IGNORE NULLS"]));
            let filter = if random.chance(20) { format!(" FILTER (WHERE {})", columns.condition(random, 1)) } else { String::new() };
            return (format!("{name}({}){filter}{nulls}", any(random)), true);
        }
        if self.profile.aggregates && self.profile.log && random.chance(15) {
            return (self.ordered_aggregate(depth), true);
        }
        if self.profile.aggregates && random.chance(30) {
            let filter = if random.chance(20) { format!(" FILTER (WHERE {})", columns.condition(random, 1)) } else { String::new() };
            let (call, exact) = exact_aggregate(random, columns, depth);
            return (call + &filter, exact);
        }
        let (call, exact) = match random.below(16) {
            n @ 0..=11 if decimals => {
                let arg = columns.decimal(random, depth);
                let function = ["SUM", "SUM", "SUM", "AVG", "AVG", "AVG", "MIN", "MAX", "MIN", "MAX", "COUNT", "COUNT"][n];
                (format!("{function}({}{arg})", if n >= 10 { "DISTINCT " } else { "" }), true)
            }
            12 if decimals => (format!("APPROX_QUANTILE({}, 0.5)", columns.decimal(random, 0)), false),
            0 | 1 => ("COUNT(*)".to_owned(), true),
            2 => (format!("COUNT({})", any(random)), true),
            3 | 4 => (format!("SUM({})", columns.int(random, depth)), true),
            5 => (format!("SUM({})", columns.float(random, depth)), true),
            6 => (format!("SUM({})", columns.interval(random, 0)), true),
            7 => (format!("AVG({})", columns.int(random, depth)), true),
            8 => (format!("AVG({})", columns.float(random, depth)), true),
            9 | 10 => {
                let arg = match random.below(4) {
                    0 => columns.float(random, depth),
                    1 => columns.text(random, depth),
                    2 => columns.time(random, depth),
                    _ => columns.int(random, depth),
                };
                (format!("{}({arg})", random.pick(&["MIN", "MAX"])), true)
            }
            11 | 12 => (format!("COUNT(DISTINCT {})", any(random)), true),
            13 => (format!("APPROX_COUNT_DISTINCT({})", any(random)), false),
            _ => {
                let arg = if random.chance(50) {
                    format!("({}) % 10000", columns.int(random, depth))
                } else {
                    columns.simple_float(random, depth)
                };
                (format!("APPROX_QUANTILE({arg}, {})", random.pick(&["0", "0.1", "0.5", "0.99", "1"])), false)
            }
        };
        if random.chance(15) {
            return (format!("{call} FILTER (WHERE {})", columns.condition(random, 1)), exact);
        }
        (call, exact)
    }

    /// An aggregate with an order of its own.
    fn ordered_aggregate(&mut self, depth: u32) -> String {
        let (value, by) = (self.columns.expr(self.random, depth), self.columns.expr(self.random, depth));
        let second = self.columns.any(self.random).to_owned();
        let text = if self.random.chance(70) { self.columns.text(self.random, depth) } else { self.columns.any(self.random).to_owned() };
        let order = match self.random.below(3) {
            0 => self.ordered(&by),
            1 => format!("{}, {}", self.ordered(&second), self.ordered(&by)),
            _ => self.ordered(&second),
        };
        let nulls = self.random.pick(&["", " IGNORE NULLS"]);
        let (call, nulls) = match self.random.below(6) {
            0 => (format!("FIRST_VALUE({value} ORDER BY {order})"), nulls),
            1 => (format!("LAST_VALUE({value} ORDER BY {order})"), nulls),
            2 => (format!("{}({value}, {by})", self.random.pick(&["MIN_BY", "MAX_BY"])), ""),
            3 => (format!("STRING_AGG({text}, {} ORDER BY {order})", text_literal(self.random)), ""),
            4 => (format!("LISTAGG({text}) WITHIN GROUP (ORDER BY {order})"), ""),
            _ => (format!("STRING_AGG(DISTINCT {text}, {})", text_literal(self.random)), ""),
        };
        let filter =
            if self.random.chance(20) { format!(" FILTER (WHERE {})", self.columns.condition(self.random, 1)) } else { String::new() };
        format!("{call}{filter}{nulls}")
    }

    fn grouped(&mut self, key_count: usize) -> Select {
        let keys: Vec<String> = (0..key_count).map(|_| self.key()).collect();
        let aggregate_count = if key_count == 0 { 1 } else { 0 } + self.random.below(4);
        let aggregates: Vec<(String, bool)> = (0..aggregate_count).map(|_| self.aggregate()).collect();

        let mut items: Vec<String> = Vec::new();
        let mut grouping: Vec<String> = Vec::new();
        // What ORDER BY can name: exact output columns.
        let mut sortable: Vec<String> = Vec::new();
        for (i, key) in keys.iter().enumerate() {
            // A key is put out, grouped by its number or name, or only grouped by.
            match self.random.below(6) {
                0 => grouping.push(format!("({key})")),
                1 => {
                    items.push(format!("{key} AS k{i}"));
                    grouping.push(items.len().to_string());
                }
                2 => {
                    items.push(format!("{key} AS k{i}"));
                    grouping.push(format!("k{i}"));
                }
                _ => {
                    items.push(format!("{key} AS k{i}"));
                    grouping.push(format!("({key})"));
                }
            }
            if items.last().is_some_and(|item| item.ends_with(&format!(" AS k{i}"))) {
                sortable.push(format!("k{i}"));
            }
        }
        for (i, (call, exact)) in aggregates.iter().enumerate() {
            if *exact {
                sortable.push(format!("a{i}"));
            }
            items.push(format!("{call} AS a{i}"));
        }
        if self.random.chance(25) {
            let combined = self.combined();
            items.push(format!("{combined} AS c"));
        }
        if items.is_empty() {
            items.push("COUNT(*) AS n".to_owned());
        }

        let mut rest = String::new();
        if !grouping.is_empty() {
            rest += &format!(" GROUP BY {}", grouping.join(", "));
        }
        if self.random.chance(25) {
            rest += &format!(" HAVING {}", self.having());
        }
        if self.random.chance(45) && !sortable.is_empty() {
            let count = 1 + self.random.below(2);
            let by: Vec<String> = (0..count)
                .map(|_| {
                    let name = sortable[self.random.below(sortable.len())].clone();
                    self.ordered(&name)
                })
                .collect();
            rest += &format!(" ORDER BY {}", by.join(", "));
        } else if self.random.chance(20) {
            let by = self.exact_count();
            rest += &format!(" ORDER BY {}", self.ordered(&by));
        }
        let can_be_distinct = !rest.contains("ORDER BY") && aggregates.iter().all(|(_, exact)| *exact);
        Select { list: items.join(", "), rest, can_be_distinct }
    }

    /// A count or sum that every engine gives exactly.
    fn exact_count(&mut self) -> String {
        let (random, columns) = (&mut *self.random, self.columns);
        match random.below(4) {
            0 => format!("COUNT({})", columns.any(random)),
            1 => format!("SUM({})", columns.int(random, 0)),
            2 => format!("COUNT(DISTINCT {})", columns.any(random)),
            _ => "COUNT(*)".to_owned(),
        }
    }

    /// An output of several aggregates.
    fn combined(&mut self) -> String {
        let (a, b) = (self.exact_count(), self.exact_count());
        match self.random.below(5) {
            0 => format!("{a} / NULLIF({b}, 0)"),
            1 => format!("CASE WHEN {a} > {b} THEN {a} ELSE - ({b}) END"),
            2 => format!("{a} * 100.0 / COUNT(*)").replace("COUNT(*)", "(COUNT(*) + 1)"),
            3 => format!("COALESCE(MAX({}), {})", self.columns.text(self.random, 0), text_literal(self.random)),
            _ => format!("CAST({a} + {b} AS BIGINT) % 7"),
        }
    }

    fn having(&mut self) -> String {
        let one = |text: &mut Self| {
            let count = text.exact_count();
            let op = text.random.pick(&[">", ">=", ">=", "<", "<>"]);
            format!("{count} {op} {}", text.random.between(0, 4))
        };
        let first = one(self);
        match self.random.below(4) {
            0 => format!("{first} AND {}", one(self)),
            1 => format!("NOT ({first} OR {})", one(self)),
            _ => first,
        }
    }
}

/// One of the aggregates that are exact whatever their values, and whether two engines give the very same.
fn exact_aggregate(random: &mut Random, columns: &Columns, depth: u32) -> (String, bool) {
    let number = |random: &mut Random| match random.below(2) {
        0 => columns.int(random, depth),
        _ => columns.simple_float(random, depth),
    };
    match random.below(8) {
        6 => (format!("{}(DISTINCT {})", random.pick(&["SUM", "AVG"]), number(random)), true),
        7 => {
            let arg = if random.chance(50) { columns.text(random, depth) } else { columns.int(random, depth) };
            (format!("MODE() WITHIN GROUP (ORDER BY {arg})"), true)
        }
        5 => {
            let names = [
                "CORR",
                "COVAR_POP",
                "COVAR_SAMP",
                "REGR_SLOPE",
                "REGR_INTERCEPT",
                "REGR_R2",
                "REGR_COUNT",
                "REGR_AVGX",
                "REGR_AVGY",
                "REGR_SXX",
                "REGR_SYY",
                "REGR_SXY",
            ];
            (format!("{}({}, {})", random.pick(&names), number(random), number(random)), false)
        }
        0 | 1 => {
            let name = random.pick(&["VAR_POP", "VAR_SAMP", "VARIANCE", "STDDEV", "STDDEV_POP", "STDDEV_SAMP"]);
            (format!("{name}({})", number(random)), false)
        }
        2 => match random.below(2) {
            0 => (format!("MEDIAN({})", number(random)), false),
            _ => {
                let q = random.pick(&["0", "0.25", "0.9", "1"]);
                (format!("PERCENTILE_CONT({q}) WITHIN GROUP (ORDER BY {})", number(random)), false)
            }
        },
        3 => {
            let arg = match random.below(4) {
                0 => columns.text(random, depth),
                1 => columns.time(random, depth),
                2 => columns.simple_float(random, depth),
                _ => columns.int(random, depth),
            };
            (format!("PERCENTILE_DISC({}) WITHIN GROUP (ORDER BY {arg})", random.pick(&["0", "0.5", "0.99"])), true)
        }
        _ if random.chance(50) => {
            (format!("{}({})", random.pick(&["BOOL_AND", "BOOL_OR", "EVERY"]), columns.condition(random, depth)), true)
        }
        _ => (format!("{}({})", random.pick(&["BIT_AND", "BIT_OR", "BIT_XOR"]), columns.int(random, depth)), true),
    }
}
