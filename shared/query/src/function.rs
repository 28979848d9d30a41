//! Functions of values: what [`crate::ExprKind::Call`] calls. The semantics are PostgreSQL's.

use std::cell::RefCell;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Which end of a text TRIM cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Both,
    Leading,
    Trailing,
}

/// A regular expression in the syntax of the crate `regex`, where `.` stands for any character, also a line's end, and `^` and `$` for the ends of the text
/// alone, as in PostgreSQL. What else differs from PostgreSQL's: of alternatives the first that fits is taken and not the longest, and there are no
/// back references, nor conditions on what comes before or after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    pub text: String,
    pub ignore_case: bool,
}

impl Pattern {
    /// # Errors
    /// What is wrong with it, for people.
    pub fn new(text: &str, ignore_case: bool) -> Result<Self, String> {
        let pattern = Pattern { text: text.to_owned(), ignore_case };
        match compile(&pattern) {
            Ok(_) => Ok(pattern),
            Err(regex::Error::CompiledTooBig(_)) => Err("the regular expression is too large: repeat less in it".to_owned()),
            Err(error) => {
                // The last line says what, those before show where.
                let text = error.to_string();
                let what = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                Err(format!("this is no regular expression: {what}"))
            }
        }
    }

    /// Ready to be searched with; a thread keeps those that it was asked for last.
    ///
    /// # Panics
    /// For a pattern that [`Pattern::new`] refuses.
    pub fn regex(&self) -> Regex {
        RECENT.with_borrow_mut(|recent| {
            if let Some((_, regex)) = recent.iter().find(|(pattern, _)| pattern == self) {
                return regex.clone();
            }
            let regex = compile(self).expect("a pattern is compiled before it becomes one");
            recent.truncate(RECENT_MAX - 1);
            recent.insert(0, (self.clone(), regex.clone()));
            regex
        })
    }
}

/// So many compiled patterns a thread keeps.
const RECENT_MAX: usize = 16;

thread_local! {
    static RECENT: RefCell<Vec<(Pattern, Regex)>> = const { RefCell::new(Vec::new()) };
}

fn compile(pattern: &Pattern) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&pattern.text).case_insensitive(pattern.ignore_case).dot_matches_new_line(true).build()
}

/// A function, with the types of its arguments and its result. NULL where an argument is NULL, unless it says otherwise. What has no
/// value raises [`crate::EvalError::InvalidArgument`]; a float beyond all floats is [`crate::EvalError::OutOfRange`], underflow gives 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// `text LIKE pattern`: `%` stands for any characters, `_` for one, and the one after `escape` for itself. A pattern that ends with a lone
    /// `escape` is invalid. `ignore_case` compares as [`Function::Lower`] gives it. Bool.
    Like {
        ignore_case: bool,
        escape: Option<char>,
    },
    /// Whether the pattern is found anywhere in the text. Bool.
    RegexLike(Pattern),
    /// The first part of the text that the pattern fits; NULL where it fits none.
    RegexSubstr(Pattern),
    /// (text, replacement): the first part that the pattern fits, or each, replaced: the search goes on where a part ends, one character further where it is empty. In the replacement `\1` to `\9` stand for what is in the
    /// pattern's parentheses (nothing where they took no part), `\&` for the whole and `\\` for one backslash.
    RegexReplace {
        pattern: Pattern,
        all: bool,
    },
    /// `a || b`, of two Text or more.
    Concat,
    /// Character by character; one whose upper case is not one character stays.
    Upper,
    Lower,
    /// The first letter or digit of each word as [`Function::Upper`] has it, what follows as [`Function::Lower`] has it; a word is what letters and digits stand together.
    Initcap,
    /// `TRIM(side chars FROM text)`: (text, chars).
    Trim(Side),
    /// Characters. Int.
    Length,
    /// `SUBSTRING(text FROM start FOR count)`, `count` may be left out; characters from 1. A negative count is invalid.
    Substring,
    /// `POSITION(needle IN text)`: (text, needle), in characters from 1, 0 where it is not there; 1 for an empty needle. Int.
    Position,
    /// (text, from, to), everywhere, from the left; an empty `from` is nowhere.
    Replace,
    /// (text, n): the first n characters; for a negative n all but the last.
    Left,
    /// (text, n): the last n characters; for a negative n all but the first.
    Right,
    /// (text, delimiter, n): the n-th part, from 1, or from the end for a negative n; empty where there is none. 0 is invalid.
    SplitPart,
    /// (text, beginning). Bool.
    StartsWith,
    Reverse,
    /// (text, n): n times; none for n below 1. More than a million characters are invalid.
    Repeat,
    /// Float: to a whole number, half to even. (Of Int the parser leaves it out.)
    Round,
    /// (Float, Int): to so many decimal digits, half away from zero, of the shortest decimal number that is this float; more than 300 digits either
    /// way change nothing, or give 0.
    RoundDigits,
    /// Of Float.
    Floor,
    Ceil,
    /// Toward zero.
    Trunc,
    /// -1, 0 or 1, of Int or Float in its own type; of NaN 0.
    Sign,
    /// (Float, Float). Zero to a negative power and a negative number to a fraction are invalid.
    Power,
    /// Of a negative number invalid.
    Sqrt,
    /// Natural, and to base 10; of zero and negative numbers invalid.
    Ln,
    Log10,
    Exp,
    /// Of two values or more of one type: NULLs are left out; NULL where all are.
    Greatest,
    Least,
    /// What clocks of an IANA zone show at a timestamp, as a timestamp. A timestamp beyond the years that the calendar of zones knows (about
    /// 260,000) is [`crate::EvalError::OutOfRange`].
    AtTimeZone {
        zone: String,
    },
    /// (Timestamp, Int): so many months later, at the same day and time, or at the month's last day where it has no such day.
    AddMonths,
    /// Int, microseconds since 1970-01-01 UTC. Timestamp.
    FromMicroseconds,
    /// Of two Ints, bit by bit. Int.
    BitAnd,
    BitOr,
    BitXor,
    /// (Int, n): n bits to the left or right, n modulo 64; from the left the sign moves in. Int.
    ShiftLeft,
    ShiftRight,
}

impl Function {
    /// Whether it works on bits, and so has a value for all arguments.
    pub fn is_of_bits(&self) -> bool {
        matches!(self, Function::BitAnd | Function::BitOr | Function::BitXor | Function::ShiftLeft | Function::ShiftRight)
    }

    /// The name in SQL, in upper case; of an operator what it is called.
    pub fn sql_name(&self) -> &'static str {
        match self {
            Function::Like { ignore_case: false, .. } => "LIKE",
            Function::Like { ignore_case: true, .. } => "ILIKE",
            Function::RegexLike(_) => "REGEXP_LIKE",
            Function::RegexSubstr(_) => "REGEXP_SUBSTR",
            Function::RegexReplace { .. } => "REGEXP_REPLACE",
            Function::Concat => "||",
            Function::Upper => "UPPER",
            Function::Lower => "LOWER",
            Function::Initcap => "INITCAP",
            Function::Trim(Side::Both) => "BTRIM",
            Function::Trim(Side::Leading) => "LTRIM",
            Function::Trim(Side::Trailing) => "RTRIM",
            Function::Length => "LENGTH",
            Function::Substring => "SUBSTR",
            Function::Position => "STRPOS",
            Function::Replace => "REPLACE",
            Function::Left => "LEFT",
            Function::Right => "RIGHT",
            Function::SplitPart => "SPLIT_PART",
            Function::StartsWith => "STARTS_WITH",
            Function::Reverse => "REVERSE",
            Function::Repeat => "REPEAT",
            Function::Round | Function::RoundDigits => "ROUND",
            Function::Floor => "FLOOR",
            Function::Ceil => "CEIL",
            Function::Trunc => "TRUNC",
            Function::Sign => "SIGN",
            Function::Power => "POWER",
            Function::Sqrt => "SQRT",
            Function::Ln => "LN",
            Function::Log10 => "LOG10",
            Function::Exp => "EXP",
            Function::Greatest => "GREATEST",
            Function::Least => "LEAST",
            Function::AtTimeZone { .. } => "AT TIME ZONE",
            Function::AddMonths => "ADD_MONTHS",
            Function::FromMicroseconds => "FROM_MICROSECONDS",
            Function::BitAnd => "&",
            Function::BitOr => "|",
            Function::BitXor => "#",
            Function::ShiftLeft => "<<",
            Function::ShiftRight => ">>",
        }
    }
}
