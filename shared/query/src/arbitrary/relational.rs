//! Random queries of every relational shape over several topics (windows of all kinds, joins, OVER, groups of groups, unions), and streams of their events.
//!
//! Values are few and times close to one another, so that keys meet, windows overlap and rows tie. Queries raise errors rarely, and never in a join's condition, where it
//! would depend on which rows an engine holds against one another.

mod beside;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType as Arrow, Field, Schema, SchemaRef, TimeUnit};

use super::Random;
use crate::sql::TopicSchema;

/// The topics, all of which have a text `k`, a number `n` and a time `at` that may be NULL. Of the last one `k` is the key, and rows without a number are tombstones.
pub const TOPICS: [&str; 3] = ["clicks", "orders", "prices"];

/// 2013-01-01 00:00:00 UTC.
const BASE_US: i64 = 1_356_998_400_000_000;

/// The schema of all topics.
pub fn relational_schema() -> SchemaRef {
    let time = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![Field::new("k", Arrow::Utf8, true), Field::new("n", Arrow::Int64, true), Field::new("at", time, true)]))
}

/// The topics as the binder takes them.
pub fn relational_topics(schema: &Schema) -> [TopicSchema<'_>; 3] {
    TOPICS.map(|name| TopicSchema { name, schema, key: (name == "prices").then_some("k"), time: Some("at") })
}

/// Events in the order in which they arrive: the number of the topic, and one record batch that arrives at once. Up to `rows_max` rows of each topic.
pub fn relational_stream(random: &mut Random, rows_max: usize) -> Vec<(usize, RecordBatch)> {
    let nulls_percent = [0, 5, 30][random.below(3)];
    let mut left: Vec<usize> = TOPICS.iter().map(|_| random.below(rows_max + 1)).collect();
    let mut stream = Vec::new();
    while left.iter().any(|&rows| rows > 0) {
        let topic = random.below(TOPICS.len());
        let rows = left[topic].min(1 + random.below(6));
        left[topic] -= rows;
        if rows > 0 {
            stream.push((topic, batch(random, rows, nulls_percent, topic == 2)));
        }
    }
    stream
}

fn batch(random: &mut Random, rows: usize, nulls_percent: u64, keyed: bool) -> RecordBatch {
    let row = |random: &mut Random| {
        let is_null = |random: &mut Random| random.chance(nulls_percent);
        let key = (!is_null(random)).then(|| ["a", "b", "c", "d"][random.below(4)]);
        // A whole second, so that times tie, and gaps are met exactly.
        let at = (!is_null(random)).then(|| BASE_US + random.between(-600, 1_200) * 1_000_000);
        let has_none = is_null(random) || keyed && random.chance(20);
        let number = (!has_none).then(|| random.between(-3, 9));
        (key, number, at)
    };
    let rows: Vec<_> = (0..rows).map(|_| row(random)).collect();
    let columns: [ArrayRef; 3] = [
        Arc::new(rows.iter().map(|r| r.0).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.2).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
    ];
    RecordBatch::try_new(relational_schema(), columns.to_vec()).expect("columns are made by the schema")
}

/// A valid query over some of the topics, as SQL.
pub fn relational_sql(random: &mut Random) -> String {
    let depth = 1 + random.below(3) as u32;
    let mut maker = Text { random, aliases: 0 };
    let query = maker.query(depth);
    let aliases = maker.aliases;
    let Shape { text, columns } = query;
    match random.below(8) {
        0 | 1 => {
            let (first, second) = (random.below(columns.len()), random.below(columns.len()));
            let direction = random.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
            let limit = if random.chance(70) { format!(" LIMIT {}", random.below(9)) } else { String::new() };
            let offset = if random.chance(20) { " OFFSET 2" } else { "" };
            format!("SELECT * FROM ({text}) AS s ORDER BY c{first}{direction}, c{second}{limit}{offset}")
        }
        2 => format!("SELECT DISTINCT {} FROM ({text}) AS s", column(random, &columns, None).unwrap_or_default()),
        3 => format!("SELECT COUNT(*) AS c0, COUNT(DISTINCT c0) AS c1, MIN(c0) AS c2 FROM ({text}) AS s"),
        4 => Text { random, aliases }.with_subquery(&Shape { text, columns }),
        _ => text,
    }
}

/// The types of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Int,
    Time,
}

use Kind::*;

/// A query whose columns are named c0, c1, ...
struct Shape {
    text: String,
    columns: Vec<Kind>,
}

/// One of the columns of a kind, or of all.
fn column(random: &mut Random, columns: &[Kind], kind: Option<Kind>) -> Option<String> {
    let of: Vec<usize> = (0..columns.len()).filter(|&i| kind.is_none_or(|kind| columns[i] == kind)).collect();
    if of.is_empty() { None } else { Some(format!("c{}", of[random.below(of.len())])) }
}

struct Text<'a> {
    random: &'a mut Random,
    /// How many relations have got a name.
    aliases: usize,
}

impl Text<'_> {
    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("r{}", self.aliases)
    }

    fn query(&mut self, depth: u32) -> Shape {
        if depth == 0 {
            return self.of_topic();
        }
        match self.random.below(16) {
            0 => self.of_topic(),
            1 | 2 => self.projected(depth),
            3 | 4 => self.grouped(depth),
            5..=7 => self.windowed(depth),
            8..=10 => self.joined(depth),
            11 => self.as_of(depth),
            12 => self.temporal(depth),
            13 | 14 => self.over(depth),
            _ => self.union(depth),
        }
    }

    /// A topic's rows, or what its changes leave, with all columns.
    fn of_topic(&mut self) -> Shape {
        let topic = self.random.pick(&TOPICS);
        let from = match topic {
            "prices" if self.random.chance(70) => "UPSERT(TABLE prices)".to_owned(),
            "clicks" if self.random.chance(10) => "UPSERT(TABLE clicks, DESCRIPTOR(k))".to_owned(),
            topic => topic.to_owned(),
        };
        let filter = match self.random.below(6) {
            0 => " WHERE n > 0",
            1 => " WHERE k <> 'a' OR n IS NULL",
            _ => "",
        };
        Shape { text: format!("SELECT k AS c0, n AS c1, at AS c2 FROM {from}{filter}"), columns: vec![Text, Int, Time] }
    }

    fn int(&mut self, columns: &[Kind]) -> String {
        let Some(column) = column(self.random, columns, Some(Int)) else { return self.random.between(0, 3).to_string() };
        match self.random.below(40) {
            0..=4 => format!("({column} % 3)"),
            5..=7 => format!("({column} + 1)"),
            8 | 9 => format!("COALESCE({column}, 0)"),
            10 | 11 => format!("CASE WHEN {column} > 2 THEN 1 ELSE {column} END"),
            _ => column,
        }
    }

    fn any(&mut self, columns: &[Kind]) -> (String, Kind) {
        let i = self.random.below(columns.len());
        if columns[i] == Int { (self.int(columns), Int) } else { (format!("c{i}"), columns[i]) }
    }

    /// What raises an error for some rows. It stands where it is evaluated whatever is read above: a column that nothing reads raises none in a flat query.
    fn quotient(&mut self, columns: &[Kind]) -> String {
        format!("10 / {}", self.int(columns))
    }

    fn condition(&mut self, columns: &[Kind]) -> String {
        let any = column(self.random, columns, None).unwrap_or_default();
        if self.random.chance(4) {
            return format!("{} < 4", self.quotient(columns));
        }
        match (self.random.below(4), column(self.random, columns, Some(Int))) {
            (0 | 1, Some(int)) => format!("{int} {} {}", self.random.pick(&[">", "<=", "<>"]), self.random.between(0, 4)),
            (2, _) => format!("{any} IS NOT NULL"),
            (_, Some(int)) => format!("{any} IS NULL OR {int} < 5"),
            _ => format!("{any} IS NOT NULL"),
        }
    }

    fn projected(&mut self, depth: u32) -> Shape {
        let inner = self.query(depth - 1);
        let items: Vec<(String, Kind)> = (0..1 + self.random.below(4)).map(|_| self.any(&inner.columns)).collect();
        let filter = if self.random.chance(50) { format!(" WHERE {}", self.condition(&inner.columns)) } else { String::new() };
        let list = list(items.iter().map(|(item, _)| item.clone()));
        let distinct = if self.random.chance(15) { "DISTINCT " } else { "" };
        let alias = self.alias();
        let text = format!("SELECT {distinct}{list} FROM ({}) AS {alias}{filter}", inner.text);
        Shape { text, columns: items.into_iter().map(|(_, kind)| kind).collect() }
    }

    /// Aggregates over columns, with their kinds.
    fn aggregates(&mut self, columns: &[Kind]) -> Vec<(String, Kind)> {
        let one = |text: &mut Self| {
            let int = if text.random.chance(3) { text.quotient(columns) } else { text.int(columns) };
            let (any, kind) = text.any(columns);
            match text.random.below(11) {
                7 => {
                    let (by, _) = text.any(columns);
                    let direction = text.random.pick(&["", " DESC", " NULLS FIRST"]);
                    (format!("{}({any} ORDER BY {by}{direction})", text.random.pick(&["FIRST_VALUE", "LAST_VALUE"])), kind)
                }
                8 => {
                    let (by, _) = text.any(columns);
                    (format!("{}({any}, {by})", text.random.pick(&["MIN_BY", "MAX_BY"])), kind)
                }
                9 => {
                    let (by, _) = text.any(columns);
                    (format!("STRING_AGG({any}, ';' ORDER BY {by} DESC)"), Text)
                }
                10 => match text.random.below(3) {
                    0 => (format!("STRING_AGG(DISTINCT {any}, ';')"), Text),
                    1 => (format!("CAST(SUM(DISTINCT {int}) AS BIGINT)"), Int),
                    _ => (format!("MODE() WITHIN GROUP (ORDER BY {any})"), kind),
                },
                0 | 1 => ("COUNT(*)".to_owned(), Int),
                2 => (format!("CAST(SUM({int}) AS BIGINT)"), Int),
                3 => (format!("COUNT(DISTINCT {any})"), Int),
                4 => (format!("CAST(ROUND(AVG({int})) AS BIGINT)"), Int),
                _ => (format!("{}({any})", text.random.pick(&["MIN", "MAX"])), kind),
            }
        };
        (0..1 + self.random.below(2)).map(|_| one(self)).collect()
    }

    fn grouped(&mut self, depth: u32) -> Shape {
        let inner = self.query(depth - 1);
        let alias = self.alias();
        let from = format!("({}) AS {alias}", inner.text);
        let keys: Vec<(String, Kind)> = (0..self.random.below(3)).map(|_| self.any(&inner.columns)).collect();
        self.grouped_by(&inner.columns, keys, &from)
    }

    fn grouped_by(&mut self, columns: &[Kind], keys: Vec<(String, Kind)>, from: &str) -> Shape {
        let numbers = (1..=keys.len()).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        let mark = format!("GROUPING({})", keys.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>().join(", "));
        let mut items = keys;
        let by = match self.random.below(8) {
            _ if numbers.is_empty() => String::new(),
            0 => format!(" GROUP BY {} ({numbers})", self.random.pick(&["ROLLUP", "CUBE"])),
            1 => format!(" GROUP BY GROUPING SETS (({numbers}), (1))"),
            _ => format!(" GROUP BY {numbers}"),
        };
        if by.contains('(') && self.random.chance(60) {
            items.push((mark, Int));
        }
        items.extend(self.aggregates(columns));
        let having = if self.random.chance(20) { " HAVING COUNT(*) > 1" } else { "" };
        let list = list(items.iter().map(|(item, _)| item.clone()));
        Shape { text: format!("SELECT {list} FROM {from}{by}{having}"), columns: items.into_iter().map(|(_, kind)| kind).collect() }
    }

    /// Windows over a topic, so that engines keep panes, or over a query, so that they do not.
    fn windowed(&mut self, depth: u32) -> Shape {
        let (table, names, columns) = if self.random.chance(60) {
            (self.random.pick(&TOPICS).to_owned(), ["k", "n", "at"].map(str::to_owned).to_vec(), vec![Text, Int, Time])
        } else {
            let inner = self.query(depth - 1);
            let names = (0..inner.columns.len()).map(|i| format!("c{i}")).collect();
            (format!("({})", inner.text), names, inner.columns)
        };
        let times: Vec<usize> = (0..columns.len()).filter(|&i| columns[i] == Time).collect();
        if times.is_empty() {
            return self.projected(depth);
        }
        let time = names[times[self.random.below(times.len())]].clone();
        let keys: Vec<usize> = (0..columns.len()).filter(|&i| columns[i] != Time && self.random.chance(50)).collect();
        let grouped = self.random.chance(70);
        let offset = if self.random.chance(30) { ", INTERVAL '90' SECOND" } else { "" };
        let minutes = |n: &str| format!("INTERVAL '{n}' MINUTE");
        let (function, lengths) = match self.random.below(5) {
            0 => ("TUMBLE", minutes("5")),
            1 | 2 => {
                let (slide, size) = [("2", "10"), ("3", "10"), ("5", "5"), ("7", "4")][self.random.below(4)];
                ("HOP", format!("{}, {}", minutes(slide), minutes(size)))
            }
            3 => ("CUMULATE", format!("{}, {}", minutes("3"), minutes("12"))),
            _ => ("SESSION", minutes(self.random.pick(&["1", "2"]))),
        };
        let mut by: Vec<&str> = keys.iter().map(|&i| names[i].as_str()).collect();
        // The window in GROUP BY is the same one.
        let is_old = grouped && offset.is_empty() && self.random.chance(25);
        let (call, bounds) = if is_old {
            let bounds = ["START", "END"].map(|bound| format!("{function}_{bound}({time}, {lengths})"));
            (format!("{table} AS {}", self.alias()), bounds)
        } else {
            let key = if function == "SESSION" && !by.is_empty() { format!(" PARTITION BY {}", by.join(", ")) } else { String::new() };
            let offset = if function == "SESSION" { "" } else { offset };
            let bounds = ["window_start", "window_end"].map(str::to_owned);
            (format!("{function}(TABLE {table}{key}, DESCRIPTOR({time}), {lengths}{offset})"), bounds)
        };
        // Tumbling windows hold rows without a time, too; the others do not.
        let filter = format!(" WHERE {time} IS NOT NULL");
        let mut items: Vec<(String, Kind)> = keys.iter().map(|&i| (names[i].clone(), columns[i])).collect();
        items.extend(bounds.map(|bound| (bound, Time)));
        if !grouped {
            items.extend((0..columns.len()).filter(|i| !keys.contains(i)).map(|i| (names[i].clone(), columns[i])));
            let list = list(items.iter().map(|(item, _)| item.clone()));
            let columns = items.into_iter().map(|(_, kind)| kind).collect();
            return Shape { text: format!("SELECT {list} FROM {call}{filter}"), columns };
        }
        let window = format!("{function}({time}, {lengths})");
        let by = if is_old {
            by.push(&window);
            by.join(", ")
        } else {
            list_plain((1..=items.len()).map(|i| i.to_string()))
        };
        let int = (0..columns.len()).find(|&i| columns[i] == Int).map_or("1".to_owned(), |i| names[i].clone());
        let aggregates = ["COUNT(*)".to_owned(), format!("CAST(SUM({int}) AS BIGINT)"), format!("MAX({int})")];
        items.extend(aggregates.into_iter().take(1 + self.random.below(3)).map(|a| (a, Int)));
        let list = list(items.iter().map(|(item, _)| item.clone()));
        let text = format!("SELECT {list} FROM {call}{filter} GROUP BY {by}");
        Shape { text, columns: items.into_iter().map(|(_, kind)| kind).collect() }
    }

    /// Two queries, and their aliases.
    fn sides(&mut self, depth: u32) -> (Shape, String, Shape, String) {
        let left = self.query(depth - 1);
        let right_depth = self.random.below(depth as usize) as u32;
        let right = if self.random.chance(12) { self.values() } else { self.query(right_depth) };
        (left, self.alias(), right, self.alias())
    }

    /// An equality of columns of both sides; none where they have no columns of one kind.
    fn equality(&mut self, (left, l): (&Shape, &str), (right, r): (&Shape, &str)) -> Option<String> {
        let kinds: Vec<Kind> =
            [Text, Text, Int, Time].into_iter().filter(|k| left.columns.contains(k) && right.columns.contains(k)).collect();
        let kind = *kinds.get(self.random.below(kinds.len().max(1)))?;
        let (a, b) = (column(self.random, &left.columns, Some(kind))?, column(self.random, &right.columns, Some(kind))?);
        Some(if self.random.chance(50) { format!("{l}.{a} = {r}.{b}") } else { format!("{r}.{b} = {l}.{a}") })
    }

    fn joined(&mut self, depth: u32) -> Shape {
        let (left, l, right, r) = self.sides(depth);
        let mut on = Vec::new();
        on.extend(self.equality((&left, &l), (&right, &r)));
        if self.random.chance(40) {
            on.extend(self.equality((&left, &l), (&right, &r)));
        }
        for kind in [Int, Time] {
            let columns = column(self.random, &left.columns, Some(kind)).zip(column(self.random, &right.columns, Some(kind)));
            if let Some((a, b)) = columns.filter(|_| on.is_empty() || self.random.chance(30)) {
                on.push(format!("{l}.{a} {} {r}.{b}", self.random.pick(&["<", ">=", "<>"])));
            }
        }
        let kind = self.random.pick(&["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let join = if on.is_empty() { "CROSS JOIN".to_owned() } else { kind.to_owned() };
        let on = if on.is_empty() { String::new() } else { format!(" ON {}", on.join(" AND ")) };
        self.of_sides((&left, &l), (&right, &r), &format!("{join} ({}) AS {r}{on}", right.text))
    }

    fn of_sides(&mut self, (left, l): (&Shape, &str), (right, r): (&Shape, &str), join: &str) -> Shape {
        let all = left.columns.iter().enumerate().map(|(i, kind)| (format!("{l}.c{i}"), *kind));
        let all = all.chain(right.columns.iter().enumerate().map(|(i, kind)| (format!("{r}.c{i}"), *kind)));
        let mut items: Vec<(String, Kind)> = all.collect();
        while items.len() > 5 {
            items.remove(self.random.below(items.len()));
        }
        let list = list(items.iter().map(|(item, _)| item.clone()));
        let text = format!("SELECT {list} FROM ({}) AS {l} {join}", left.text);
        Shape { text, columns: items.into_iter().map(|(_, kind)| kind).collect() }
    }

    fn as_of(&mut self, depth: u32) -> Shape {
        let (left, l, right, r) = self.sides(depth);
        let of =
            |text: &mut Self, kind| column(text.random, &left.columns, Some(kind)).zip(column(text.random, &right.columns, Some(kind)));
        let Some((a, b)) = of(self, Time).or_else(|| of(self, Int)) else { return self.projected(depth) };
        let Some(on) = self.equality((&left, &l), (&right, &r)) else { return self.projected(depth) };
        let op = self.random.pick(&["<", "<=", ">", ">="]);
        let kind = self.random.pick(&["ASOF JOIN", "ASOF LEFT JOIN"]);
        let join = format!("{kind} ({}) AS {r} MATCH_CONDITION ({l}.{a} {op} {r}.{b}) ON {on}", right.text);
        self.of_sides((&left, &l), (&right, &r), &join)
    }

    /// The table as of a row's arrival, or of its time.
    fn temporal(&mut self, depth: u32) -> Shape {
        let (l, r) = (self.alias(), self.alias());
        let of_right = ["k", "n", "at"].map(|c| format!("{r}.{c}"));
        let (left, key, moment, mut items, mut columns) = if self.random.chance(50) {
            let left = self.random.pick(&["clicks", "orders", "UPSERT(TABLE prices)"]).to_owned();
            let items = ["k", "n", "at"].map(|c| format!("{l}.{c}")).to_vec();
            (left, "k".to_owned(), "PROCTIME()".to_owned(), items, vec![Text, Int, Time])
        } else {
            let left = self.query(depth - 1);
            let of = |text: &mut Self, kind| column(text.random, &left.columns, Some(kind));
            let Some((key, time)) = of(self, Text).zip(of(self, Time)) else { return self.projected(depth) };
            let items = vec![format!("{l}.{key}"), format!("{l}.{time}")];
            (format!("({})", left.text), key, format!("{l}.{time}"), items, vec![Text, Time])
        };
        items.extend(of_right);
        columns.extend([Text, Int, Time]);
        let kind = self.random.pick(&["JOIN", "LEFT JOIN"]);
        let more = if self.random.chance(30) { format!(" AND {r}.n > 2") } else { String::new() };
        let join = format!("{kind} prices FOR SYSTEM_TIME AS OF {moment} AS {r} ON {l}.{key} = {r}.k{more}");
        Shape { text: format!("SELECT {} FROM {left} AS {l} {join}", list(items.into_iter())), columns }
    }

    fn over(&mut self, depth: u32) -> Shape {
        let inner = self.query(depth - 1);
        let alias = self.alias();
        let mut items: Vec<(String, Kind)> = inner.columns.iter().enumerate().map(|(i, kind)| (format!("c{i}"), *kind)).take(4).collect();
        for _ in 0..1 + self.random.below(2) {
            let call = self.over_call(&inner.columns);
            items.push(call);
        }
        let list = list(items.iter().map(|(item, _)| item.clone()));
        let columns: Vec<Kind> = items.into_iter().map(|(_, kind)| kind).collect();
        let text = format!("SELECT {list} FROM ({}) AS {alias}", inner.text);
        if self.random.chance(40) {
            // The first rows of each partition, or whatever the number is.
            let (last, top) = (columns.len() - 1, self.alias());
            let filter = if columns[last] == Int { format!("c{last} <= 2") } else { format!("c{last} IS NOT NULL") };
            return Shape { text: format!("SELECT * FROM ({text}) AS {top} WHERE {filter}"), columns };
        }
        Shape { text, columns }
    }

    fn over_call(&mut self, columns: &[Kind]) -> (String, Kind) {
        let by = column(self.random, columns, None).filter(|_| self.random.chance(70));
        let partition = by.map_or(String::new(), |by| format!("PARTITION BY {by} "));
        let order = column(self.random, columns, None).unwrap_or_default();
        let direction = self.random.pick(&["", " DESC", " NULLS FIRST"]);
        let order = format!("ORDER BY {order}{direction}");
        let (any, kind) = self.any(columns);
        let int = if self.random.chance(3) { self.quotient(columns) } else { self.int(columns) };
        match self.random.below(9) {
            0 => (format!("ROW_NUMBER() OVER ({partition}{order})"), Int),
            1 => (format!("RANK() OVER ({partition}{order})"), Int),
            2 => (format!("DENSE_RANK() OVER ({partition}{order})"), Int),
            3 => (format!("{}({any}) OVER ({partition}{order})", self.random.pick(&["LAG", "LEAD"])), kind),
            4 => (format!("LAG({int}, 2, 7) OVER ({partition}{order})"), Int),
            5 => {
                let units = self.random.pick(&["ROWS", "GROUPS"]);
                let frame = if self.random.chance(20) { String::new() } else { self.frame(units, ["1", "2"]) };
                let call = match self.random.pick(&["FIRST_VALUE", "LAST_VALUE", "MIN", "NTH_VALUE"]) {
                    "NTH_VALUE" => format!("NTH_VALUE({any}, {})", 1 + self.random.below(3)),
                    name @ ("FIRST_VALUE" | "LAST_VALUE") if direction == " NULLS FIRST" => format!("{name}({any}) IGNORE NULLS"),
                    name => format!("{name}({any})"),
                };
                (format!("{call} OVER ({partition}{order} {frame})"), kind)
            }
            6 => (format!("CAST(SUM({int}) OVER ({partition}) AS BIGINT)"), Int),
            7 => {
                let time = column(self.random, columns, Some(Time));
                let (by, far) = match (time, column(self.random, columns, Some(Int))) {
                    (Some(time), _) => (time, ["INTERVAL '2' MINUTE", "INTERVAL '90 seconds'"]),
                    (None, Some(int)) if self.random.chance(50) => (int, ["2", "9223372036854775807"]),
                    (None, Some(int)) => (format!("CAST({int} AS DOUBLE PRECISION) / 2"), ["0.5", "1.25"]),
                    (None, None) => return (format!("COUNT(*) OVER ({partition}{order})"), Int),
                };
                let frame = self.frame("RANGE", far);
                let call = if self.random.chance(50) { "COUNT(*)".to_owned() } else { format!("LAST_VALUE({int})") };
                (format!("{call} OVER ({partition}ORDER BY {by}{direction} {frame})"), Int)
            }
            _ => {
                let units = self.random.pick(&["ROWS", "GROUPS"]);
                let frame = self.frame(units, ["3", "1"]);
                (format!("CAST(SUM({int}) OVER ({partition}{order} {frame}) AS BIGINT)"), Int)
            }
        }
    }

    /// A frame whose bounds are so far apart.
    fn frame(&mut self, units: &str, far: [&str; 2]) -> String {
        let start = self.random.below(4);
        let end = start.max(1) + self.random.below(5 - start.max(1));
        let mut bound = |kind| match kind {
            0 => "UNBOUNDED PRECEDING".to_owned(),
            1 => format!("{} PRECEDING", self.random.pick(&far)),
            2 => "CURRENT ROW".to_owned(),
            3 => format!("{} FOLLOWING", self.random.pick(&far)),
            _ => "UNBOUNDED FOLLOWING".to_owned(),
        };
        format!("{units} BETWEEN {} AND {}", bound(start), bound(end))
    }

    /// Two queries cut to the kinds that both have.
    fn union(&mut self, depth: u32) -> Shape {
        let (left, l, right, r) = self.sides(depth);
        let mut kinds: Vec<Kind> = vec![Int];
        kinds.extend([Text, Time].into_iter().filter(|k| left.columns.contains(k) && right.columns.contains(k)));
        let mut side = |shape: &Shape, alias: &str| {
            let items: Vec<String> = kinds
                .iter()
                .map(|kind| match kind {
                    Int => self.int(&shape.columns),
                    kind => column(self.random, &shape.columns, Some(*kind)).unwrap_or_default(),
                })
                .collect();
            format!("SELECT {} FROM ({}) AS {alias}", list(items.into_iter()), shape.text)
        };
        let (a, b) = (side(&left, &l), side(&right, &r));
        let all = self.random.pick(&["UNION ALL", "UNION ALL", "UNION"]);
        Shape { text: format!("{a} {all} {b}"), columns: kinds }
    }
}

/// The items of a select list under their names.
fn list(items: impl Iterator<Item = String>) -> String {
    items.enumerate().map(|(i, item)| format!("{item} AS c{i}")).collect::<Vec<_>>().join(", ")
}

fn list_plain(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
