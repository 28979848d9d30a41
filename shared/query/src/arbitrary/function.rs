//! Random calls of functions.

use super::Random;
use super::expr::{Columns, text_literal, time_literal};

impl Columns {
    pub(super) fn int_function(&self, random: &mut Random, depth: u32) -> String {
        match random.below(10) {
            8 => format!("({} {} {})", self.int(random, depth), random.pick(&["&", "|", "#"]), self.int(random, depth)),
            9 => format!("(~ {} {} {})", self.int(random, depth), random.pick(&["<<", ">>"]), random.between(-1, 70)),
            0 => format!("LENGTH({})", self.text(random, depth)),
            1 => format!("POSITION({} IN {})", self.needle(random), self.text(random, depth)),
            2 => format!("SIGN({})", self.int(random, depth)),
            3 => format!("GREATEST({}, {}, NULL)", self.int(random, depth), self.int(random, depth)),
            4 => format!("LEAST({}, {})", self.int(random, depth), self.int(random, depth)),
            5 => format!("MOD({}, 7)", self.int(random, depth)),
            6 => format!(
                "EXTRACT({} FROM {})",
                random.pick(&["ISODOW", "ISOYEAR", "MICROSECONDS", "CENTURY", "DECADE"]),
                self.time(random, depth)
            ),
            _ => format!("CHAR_LENGTH(CAST({} AS TEXT))", self.int(random, depth)),
        }
    }

    pub(super) fn float_function(&self, random: &mut Random, depth: u32) -> String {
        let whole = random.pick(&["ROUND", "FLOOR", "CEIL", "TRUNC", "SIGN"]);
        match random.below(9) {
            0 | 1 => format!("{whole}({})", self.float(random, depth)),
            2 => format!("ROUND({}, {})", self.float(random, depth), random.between(-2, 4)),
            3 => format!("SQRT(ABS({}))", self.float(random, depth)),
            4 => format!("GREATEST({}, {})", self.float(random, depth), self.float(random, depth)),
            5 => format!("LEAST({}, {}, 2.5)", self.float(random, depth), self.float(random, depth)),
            6 => format!("EXTRACT({} FROM {})", random.pick(&["SECOND", "MILLISECONDS"]), self.time(random, depth)),
            7 => format!("POWER({}, 2)", self.simple_float(random, 0)),
            _ if random.chance(20) => format!("LN({})", self.float(random, depth)),
            _ => format!("LN(1 + ABS({}))", self.simple_float(random, 0)),
        }
    }

    pub(super) fn text_function(&self, random: &mut Random, depth: u32) -> String {
        let text = self.text(random, depth);
        match random.below(19) {
            18 => format!("INITCAP({text})"),
            16 => format!("REGEXP_SUBSTR({text}, {})", random.pick(&["'[a-z]+'", "'b.'", "'[0-9]*$', 'i'"])),
            17 => {
                let rest = random.pick(&[
                    "'a', ''",
                    "'a*', '<\\&>', 'g'",
                    "'', '-', 'g'",
                    "'(.)(.)', '\\2\\1', 'g'",
                    "'[^é]', '<\\&>', 'gi'",
                    "'', '\\\\-\\3'",
                ]);
                format!("REGEXP_REPLACE({text}, {rest})")
            }
            0 => format!("UPPER({text})"),
            1 => format!("LOWER({text})"),
            2 => format!("({text} || {})", self.text(random, depth)),
            3 => format!("({} || '-' || {text})", self.int(random, depth)),
            4 => format!("SUBSTRING({text} FROM {} FOR {})", random.between(-2, 4), random.between(0, 4)),
            5 => format!("SUBSTR({text}, {})", self.int(random, 0)),
            6 => format!("{}({text}, {})", random.pick(&["LEFT", "RIGHT"]), random.between(-3, 4)),
            7 => format!("REPLACE({text}, {}, {})", self.needle(random), text_literal(random)),
            8 => format!("TRIM({} {} FROM {text})", random.pick(&["BOTH", "LEADING", "TRAILING"]), self.needle(random)),
            9 => format!("{}({text})", random.pick(&["TRIM", "LTRIM", "RTRIM", "REVERSE"])),
            10 => format!("SPLIT_PART({text}, {}, {})", self.needle(random), [1, 2, -1, 3][random.below(4)]),
            11 => format!("REPEAT({text}, {})", random.between(-1, 3)),
            12 => format!("CONCAT({text}, {}, {})", self.int(random, depth), self.text(random, depth)),
            13 => format!("CAST({} AS TEXT)", self.simple_float(random, depth)),
            14 => format!("CAST({} AS TEXT)", self.time(random, depth)),
            _ => format!("GREATEST({text}, {})", self.text(random, depth)),
        }
    }

    /// A short text that columns may hold.
    fn needle(&self, random: &mut Random) -> String {
        random.pick(&["'a'", "'b'", "''", "' '", "'é'", "'本'", "'ab'"]).to_owned()
    }

    pub(super) fn time_function(&self, random: &mut Random, depth: u32) -> String {
        let time = self.time(random, depth);
        match random.below(6) {
            0 => {
                let zones = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"];
                // Not of a conversion again, which is refused.
                format!("({} AT TIME ZONE '{}')", self.time(random, 0), random.pick(&zones))
            }
            1 => format!("({time} + INTERVAL '{} months')", random.between(-14, 14)),
            2 => format!("({time} - INTERVAL '1 year')"),
            3 => format!("GREATEST({time}, {})", time_literal(random)),
            4 => format!("DATE_TRUNC('milliseconds', {time})"),
            _ => "CAST(CAST(at AS TEXT) AS TIMESTAMP)".to_owned(),
        }
    }

    pub(super) fn condition_function(&self, random: &mut Random, depth: u32) -> String {
        let text = self.text(random, depth);
        let not = random.pick(&["", "NOT "]);
        let like = random.pick(&["LIKE", "ILIKE"]);
        match random.below(6) {
            5 => {
                let patterns = ["'a'", "'^.b*$'", "'é|b'", "'(a|B)+'", "'[^a-z]'", "'\\d'", "''", "'^$'", "'.'"];
                format!("({text} {} {})", random.pick(&["~", "~*", "!~", "!~*"]), random.pick(&patterns))
            }
            0 | 1 => {
                let patterns = ["'%a%'", "'a%'", "'%b'", "'_'", "'%'", "''", "'_%b_%'", "'%É%'", "'B'", "'%e%1%'", "'it''s'"];
                format!("({text} {not}{like} {})", random.pick(&patterns))
            }
            2 => format!("({text} {not}{like} {} ESCAPE '')", self.text(random, 0)),
            3 => format!("({text} {like} '%!%' ESCAPE '!')"),
            _ => format!("STARTS_WITH({text}, {})", self.needle(random)),
        }
    }
}
