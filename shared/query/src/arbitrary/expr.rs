//! Random expressions, as SQL text, by the type that they shall have.

use arrow_schema::{DataType as Arrow, Schema};

use super::{Random, TEXTS};
use crate::display::identifier;
use crate::sql::column_type;
use crate::types::DataType;

/// The columns that expressions can use.
pub(super) struct Columns {
    /// Name, type, and for numbers whether they are small (so that sums and products stay far from overflow).
    columns: Vec<(String, DataType, bool)>,
    /// Whether functions are used.
    functions: bool,
}

impl Columns {
    pub fn of(schema: &Schema, functions: bool) -> Self {
        let columns = schema.fields().iter().filter_map(|f| {
            let small = !matches!(f.data_type(), Arrow::Int64 | Arrow::UInt64 | Arrow::Float64 | Arrow::Float32);
            Some((identifier(f.name()), column_type(f.data_type())?, small))
        });
        Columns { columns: columns.collect(), functions }
    }

    /// With one column more.
    pub fn add(&mut self, name: &str, data_type: DataType) {
        self.columns.push((name.to_owned(), data_type, false));
    }

    /// Whether a function takes the place of what else would be made.
    fn function(&self, random: &mut Random) -> bool {
        self.functions && random.chance(35)
    }

    /// The columns of a type.
    pub fn of_type(&self, data_type: DataType) -> Vec<&str> {
        self.where_type(|t| t == data_type)
    }

    pub(super) fn where_type(&self, is: impl Fn(DataType) -> bool) -> Vec<&str> {
        self.columns.iter().filter(|c| is(c.1)).map(|c| c.0.as_str()).collect()
    }

    pub fn any(&self, random: &mut Random) -> &str {
        &self.columns[random.below(self.columns.len())].0
    }

    fn is_small(&self, name: &str) -> bool {
        self.columns.iter().any(|c| c.0 == name && c.2)
    }

    fn column_or(&self, random: &mut Random, data_type: DataType, literal: impl FnOnce(&mut Random) -> String) -> String {
        let columns = self.of_type(data_type);
        if columns.is_empty() || random.chance(15) { literal(random) } else { random.pick(&columns).to_owned() }
    }

    /// An expression of one of the types that values of a topic have.
    pub fn expr(&self, random: &mut Random, depth: u32) -> String {
        if !self.decimals().is_empty() && random.chance(25) {
            return match random.below(5) {
                0 => self.of_decimal(random, depth, DataType::Int),
                1 => self.of_decimal(random, depth, DataType::Float),
                2 => self.of_decimal(random, depth, DataType::Text),
                _ => self.decimal(random, depth),
            };
        }
        match random.below(6) {
            0 => self.float(random, depth),
            1 => self.text(random, depth),
            2 => self.time(random, depth),
            3 => self.condition(random, depth),
            _ => self.int(random, depth),
        }
    }

    pub fn int(&self, random: &mut Random, depth: u32) -> String {
        if depth == 0 {
            let literal = |random: &mut Random| random.between(-5, 20).to_string();
            let column = self.column_or(random, DataType::Int, literal);
            // Wide columns may hold anything: mostly they are tamed first.
            return if self.of_type(DataType::Int).contains(&column.as_str()) && !self.is_small(&column) && random.chance(60) {
                format!("{column} % 1000")
            } else {
                column
            };
        }
        let depth = depth - 1;
        if self.function(random) {
            return self.int_function(random, depth);
        }
        match random.below(14) {
            0 => format!("({} + {})", self.int(random, depth), self.int(random, depth)),
            1 => format!("({} - {})", self.int(random, depth), self.int(random, depth)),
            2 => format!("({} * {})", self.int(random, depth), random.between(-3, 9)),
            3 | 12 => {
                let op = random.pick(&["/", "%"]);
                format!("({} {op} {})", self.int(random, depth), self.divisor(random, depth))
            }
            4 => self.case(random, depth, Self::int),
            5 => format!("COALESCE({}, {})", self.int(random, depth), self.int(random, depth)),
            6 => format!("NULLIF({}, {})", self.int(random, depth), self.int(random, depth)),
            7 => format!("ABS({})", self.int(random, depth)),
            8 => {
                let fields = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOW", "DOY", "HOUR", "MINUTE", "MICROSECOND"];
                format!("EXTRACT({} FROM {})", random.pick(&fields), self.time(random, depth))
            }
            9 => format!("CAST({} AS BIGINT)", self.condition(random, depth)),
            10 if random.chance(50) => format!("CAST({} AS BIGINT)", self.float(random, depth)),
            11 if !self.of_type(DataType::Text).is_empty() => {
                let text = random.pick(&self.of_type(DataType::Text));
                format!("CASE WHEN {text} IN ('7', ' -12 ') THEN CAST({text} AS BIGINT) END")
            }
            _ => format!("- {}", self.atom(random, Self::int)),
        }
    }

    /// What a whole number is divided by: rarely anything that may be zero.
    fn divisor(&self, random: &mut Random, depth: u32) -> String {
        if random.chance(35) {
            return self.int(random, depth);
        }
        if random.chance(20) {
            return format!("NULLIF({}, 0)", self.int(random, depth));
        }
        [2, 3, 7, -4, 10, 1000][random.below(6)].to_string()
    }

    pub fn float(&self, random: &mut Random, depth: u32) -> String {
        if depth == 0 {
            return self.simple_float(random, 0);
        }
        let depth = depth - 1;
        if self.function(random) {
            return self.float_function(random, depth);
        }
        match random.below(9) {
            0 => format!("({} + {})", self.float(random, depth), self.float(random, depth)),
            1 => format!("({} * {})", self.float(random, depth), self.float(random, depth)),
            2 => format!("({} / {})", self.float(random, depth), random.pick(&["2.0", "3", "-0.75", "1e3"])),
            3 if random.chance(30) => format!("({} / {})", self.float(random, depth), self.float(random, depth)),
            4 => self.case(random, depth, Self::float),
            5 => format!("CAST({} AS DOUBLE PRECISION)", self.int(random, depth)),
            6 => format!("EXTRACT(EPOCH FROM {})", self.time(random, depth)),
            7 => format!("({} - {})", self.float(random, depth), self.int(random, depth)),
            _ => format!("ABS({})", self.float(random, depth)),
        }
    }

    /// A float that no operation makes large.
    pub fn simple_float(&self, random: &mut Random, depth: u32) -> String {
        if depth == 0 {
            return self.column_or(random, DataType::Float, |random| format!("{:?}", random.between(-40, 40) as f64 / 8.0));
        }
        let depth = depth - 1;
        match random.below(5) {
            0 => format!("({} + {})", self.simple_float(random, depth), self.simple_float(random, depth)),
            1 => format!("({} * {})", self.simple_float(random, depth), random.pick(&["2", "0.5", "-1.25"])),
            2 => self.case(random, depth, Self::simple_float),
            3 => format!("(- {})", self.atom(random, Self::simple_float)),
            _ => format!("COALESCE({}, 0.5)", self.simple_float(random, depth)),
        }
    }

    pub fn text(&self, random: &mut Random, depth: u32) -> String {
        if depth == 0 {
            return self.column_or(random, DataType::Text, text_literal);
        }
        let depth = depth - 1;
        if self.function(random) {
            return self.text_function(random, depth);
        }
        match random.below(5) {
            0 => self.case(random, depth, Self::text),
            1 => format!("COALESCE({}, {})", self.text(random, depth), text_literal(random)),
            2 => format!("CAST({} AS TEXT)", self.int(random, depth)),
            3 => format!("NULLIF({}, {})", self.text(random, depth), text_literal(random)),
            _ => self.text(random, 0),
        }
    }

    pub fn time(&self, random: &mut Random, depth: u32) -> String {
        if depth == 0 {
            return self.column_or(random, DataType::Timestamp, time_literal);
        }
        let depth = depth - 1;
        if self.function(random) {
            return self.time_function(random, depth);
        }
        match random.below(5) {
            0 => {
                let units = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"];
                format!("DATE_TRUNC('{}', {})", random.pick(&units), self.time(random, depth))
            }
            1 => format!("({} {} {})", self.time(random, depth), random.pick(&["+", "-"]), interval_literal(random)),
            2 => self.case(random, depth, Self::time),
            3 => format!("COALESCE({}, {})", self.time(random, depth), time_literal(random)),
            _ => self.time(random, 0),
        }
    }

    pub fn interval(&self, random: &mut Random, depth: u32) -> String {
        match random.below(3) {
            0 => interval_literal(random),
            _ => format!("({} - {})", self.time(random, depth), self.time(random, depth)),
        }
    }

    pub fn condition(&self, random: &mut Random, depth: u32) -> String {
        if depth > 0 && random.chance(40) {
            let depth = depth - 1;
            return match random.below(5) {
                0 | 1 => format!("({} AND {})", self.condition(random, depth), self.condition(random, depth)),
                2 | 3 => format!("({} OR {})", self.condition(random, depth), self.condition(random, depth)),
                _ => format!("(NOT {})", self.condition(random, depth)),
            };
        }
        let depth = depth.saturating_sub(1);
        if !self.decimals().is_empty() && random.chance(25) {
            return self.compared(random, depth, Self::decimal);
        }
        if self.function(random) {
            return self.condition_function(random, depth);
        }
        match random.below(10) {
            0 => format!("({} IS {}NULL)", self.any(random), random.pick(&["", "NOT "])),
            1 => {
                let not = random.pick(&["", "NOT "]);
                format!("({} {not}BETWEEN {} AND {})", self.int(random, depth), random.between(-9, 3), random.between(0, 30))
            }
            2 => {
                let not = random.pick(&["", "NOT "]);
                let null = random.pick(&["", "", "", ", NULL"]);
                format!("({} {not}IN ({}, {}{null}))", self.text(random, depth), text_literal(random), text_literal(random))
            }
            3 => self.column_or(random, DataType::Bool, |random| random.pick(&["TRUE", "FALSE"]).to_owned()),
            4 => self.compared(random, depth, Self::text),
            5 => self.compared(random, depth, Self::float),
            6 => self.compared(random, depth, Self::time),
            7 => self.compared(random, depth, Self::interval),
            _ => self.compared(random, depth, Self::int),
        }
    }

    fn compared(&self, random: &mut Random, depth: u32, side: fn(&Self, &mut Random, u32) -> String) -> String {
        let op = random.pick(&["=", "<>", "<", "<=", ">", ">=", ">=", "<", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
        format!("({} {op} {})", side(self, random, depth), side(self, random, 0))
    }

    pub(super) fn case(&self, random: &mut Random, depth: u32, value: fn(&Self, &mut Random, u32) -> String) -> String {
        let mut text = format!("CASE WHEN {} THEN {}", self.condition(random, depth), value(self, random, depth));
        if random.chance(30) {
            text += &format!(" WHEN {} THEN {}", self.condition(random, depth), value(self, random, depth));
        }
        if random.chance(60) {
            text += &format!(" ELSE {}", value(self, random, depth));
        }
        text + " END"
    }

    /// An expression that a sign can stand before.
    pub(super) fn atom(&self, random: &mut Random, value: fn(&Self, &mut Random, u32) -> String) -> String {
        format!("({})", value(self, random, 0))
    }
}

pub(super) fn text_literal(random: &mut Random) -> String {
    format!("'{}'", random.pick(&TEXTS).replace('\'', "''"))
}

pub(super) fn time_literal(random: &mut Random) -> String {
    let (month, day, hour) = (random.between(1, 12), random.between(1, 28), random.between(0, 23));
    match random.below(8) {
        0 => "TIMESTAMP '1969-12-31 23:59:59.5'".to_owned(),
        1 => format!("DATE '2012-{month:02}-{day:02}'"),
        _ => format!("TIMESTAMP '2013-01-{:02} {hour:02}:15:00'", random.between(1, 4)),
    }
}

fn interval_literal(random: &mut Random) -> String {
    random
        .pick(&["INTERVAL '1' HOUR", "INTERVAL '90 minutes'", "INTERVAL '-3 days'", "INTERVAL '0.25' SECOND", "INTERVAL '1 week 01:00'"])
        .to_owned()
}
