//! `TO_CHAR`, `DATE_FORMAT` and `STRFTIME`: times as text by a pattern, which is put together of fields of the time when a query is bound.

use sqlparser::ast;
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, BoundKind};
use super::operator::cast;
use crate::function::Function;
use crate::types::DataType::{Bool, Int, Text, Timestamp};
use crate::types::*;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
/// From Sunday, as the field counts them.
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// PostgreSQL fills names up to the longest.
const LONGEST: usize = 9;

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Upper,
    Capital,
    Lower,
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A number, filled with zeros to so many digits.
    Number(Number, usize),
    /// A month's or a day's name, cut to so many letters and filled to so many.
    Month(Case, usize, usize),
    Day(Case, usize, usize),
    /// AM or PM.
    Half(Case),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Field(TimeField),
    /// The last two digits.
    YearOfCentury,
    /// From 1 to 12.
    HourOfHalf,
    Millisecond,
    Microsecond,
    /// Sunday is so much, Saturday six more; or, where it is 1 for Monday, Sunday is 7.
    DayFrom(i64),
    IsoDay,
}

/// Whose patterns they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// PostgreSQL's and Oracle's: `YYYY-MM-DD HH24:MI:SS`.
    Sql,
    /// Java's: `yyyy-MM-dd HH:mm:ss`.
    Java,
    /// C's: `%Y-%m-%d %H:%M:%S`.
    C,
    /// MySQL's: `%Y-%m-%d %H:%i:%s`.
    MySql,
}

impl Binder<'_> {
    /// `TO_CHAR(at, 'YYYY-MM-DD')`, `DATE_FORMAT(at, 'yyyy-MM-dd')` or, with `%`, as MySQL has it, and `STRFTIME(at, '%Y-%m-%d')`, also the other way round.
    pub(super) fn time_format(&mut self, name: &str, args: [&ast::Expr; 2], span: Span) -> Result<Bound, QueryError> {
        let [at, pattern] = args.map(|arg| self.bind(arg));
        let (mut at, mut pattern) = (at?, pattern?);
        if name == "strftime" && matches!(at.kind, BoundKind::Text(_)) {
            std::mem::swap(&mut at, &mut pattern);
        }
        let BoundKind::Text(text) = &pattern.kind else {
            return Err(self.error(
                pattern.span,
                format!("{} takes its pattern as it stands: write a text, as in {}", name.to_uppercase(), form(name)),
            ));
        };
        if !matches!(at.data_type(), None | Some(Timestamp)) {
            let message = format!("{} is of times: write CAST(c AS TEXT), or ROUND(c, 2)", name.to_uppercase());
            return Err(self.error(at.span, message));
        }
        let style = match name {
            "to_char" => Style::Sql,
            "strftime" => Style::C,
            _ if text.contains('%') => Style::MySql,
            _ => Style::Java,
        };
        let parts = parts(style, text)
            .map_err(|unknown| self.error(pattern.span, format!("{} knows no '{unknown}': write {}", name.to_uppercase(), form(name))))?;
        let at = self.coerce(at, Timestamp, &format!("in {}", name.to_uppercase()))?;
        self.check_copies(&at, 1 + parts.iter().map(Part::copies).sum::<usize>(), span)?;
        let mut texts: Vec<Expr> = parts.iter().map(|part| part.of(&at)).collect();
        let text = match texts.len() {
            0 => literal(""),
            1 => texts.remove(0),
            _ => Expr::call(Function::Concat, texts, Text),
        };
        // A pattern without a field is NULL of NULL, too.
        let there = Expr::new(ExprKind::IsNull { arg: Box::new(at), negated: true }, Bool);
        Ok(Bound::typed(Expr::new(ExprKind::Case { branches: vec![(there, text)], otherwise: None }, Text), span))
    }
}

/// How a call is written.
fn form(name: &str) -> &'static str {
    match name {
        "to_char" => "TO_CHAR(c, 'YYYY-MM-DD HH24:MI:SS')",
        "strftime" => "STRFTIME(c, '%Y-%m-%d %H:%M:%S')",
        _ => "DATE_FORMAT(c, 'yyyy-MM-dd HH:mm:ss') or DATE_FORMAT(c, '%Y-%m-%d %H:%i:%s')",
    }
}

fn literal(text: &str) -> Expr {
    Expr::literal(Value::Text(text.into()), Text)
}

fn int(i: i64) -> Expr {
    Expr::literal(Value::Int(i), Int)
}

fn ints(op: BinaryOp, a: Expr, b: i64) -> Expr {
    Expr::binary(op, a, int(b), Int)
}

impl Part {
    /// How often the time stands in what is made of it.
    fn copies(&self) -> usize {
        match self {
            Part::Literal(_) => 0,
            Part::Number(Number::Field(TimeField::Year), _) => 4,
            _ => 1,
        }
    }

    fn of(&self, at: &Expr) -> Expr {
        let field = |field| Expr::new(ExprKind::Extract { field, arg: Box::new(at.clone()) }, Int);
        let name = |names: &[&str], number: Expr, case: Case, letters: usize, filled: usize| {
            let written = names.iter().map(|name| {
                let name: String = name.chars().take(letters).collect();
                let name = match case {
                    Case::Upper => name.to_uppercase(),
                    Case::Capital => name,
                    Case::Lower => name.to_lowercase(),
                };
                format!("{name:filled$}")
            });
            let written = written.collect::<Vec<_>>().join(",");
            Expr::call(Function::SplitPart, vec![literal(&written), literal(","), number], Text)
        };
        match self {
            Part::Literal(text) => literal(text),
            Part::Number(Number::Field(TimeField::Year), digits) => {
                let (year, text) = (field(TimeField::Year), cast(field(TimeField::Year), Text));
                let is = |op, i| Expr::binary(op, year.clone(), int(i), Bool);
                let is_short = Expr::and(is(BinaryOp::GreaterOrEqual, 0), is(BinaryOp::Less, 1_000));
                let branches = vec![(is_short, filled(text.clone(), *digits))];
                Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(text)) }, Text)
            }
            Part::Number(number, digits) => {
                let us = ints(BinaryOp::Modulo, field(TimeField::Microsecond), 1_000_000);
                let number = match number {
                    Number::Field(of) => field(*of),
                    Number::YearOfCentury => ints(BinaryOp::Modulo, field(TimeField::Year), 100),
                    Number::HourOfHalf => {
                        let from_zero = ints(BinaryOp::Modulo, ints(BinaryOp::Add, field(TimeField::Hour), 11), 12);
                        ints(BinaryOp::Add, from_zero, 1)
                    }
                    Number::Millisecond => ints(BinaryOp::Divide, us, 1_000),
                    Number::Microsecond => us,
                    Number::DayFrom(sunday) => ints(BinaryOp::Add, field(TimeField::Dow), *sunday),
                    Number::IsoDay => {
                        let monday_is_0 = ints(BinaryOp::Modulo, ints(BinaryOp::Add, field(TimeField::Dow), 6), 7);
                        ints(BinaryOp::Add, monday_is_0, 1)
                    }
                };
                filled(cast(number, Text), *digits)
            }
            Part::Month(case, letters, filled) => name(&MONTHS, field(TimeField::Month), *case, *letters, *filled),
            Part::Day(case, letters, filled) => name(&DAYS, ints(BinaryOp::Add, field(TimeField::Dow), 1), *case, *letters, *filled),
            Part::Half(case) => {
                let half = ints(BinaryOp::Add, ints(BinaryOp::Divide, field(TimeField::Hour), 12), 1);
                name(&["Am", "Pm"], half, *case, 2, 2)
            }
        }
    }
}

/// A number that is not longer, filled with zeros.
fn filled(text: Expr, digits: usize) -> Expr {
    if digits < 2 {
        return text;
    }
    let zeros = Expr::call(Function::Concat, vec![literal(&"0".repeat(digits - 1)), text], Text);
    Expr::call(Function::Right, vec![zeros, int(digits as i64)], Text)
}

/// The parts of a pattern; the error is what it does not know.
fn parts(style: Style, pattern: &str) -> Result<Vec<Part>, String> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let (part, len) = match style {
            Style::Sql => of_sql(rest)?,
            Style::Java => of_java(rest)?,
            Style::C | Style::MySql => of_percent(rest, style == Style::MySql)?,
        };
        let part = part.unwrap_or_else(|| Part::Literal(first.to_string()));
        match (parts.last_mut(), part) {
            (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(&text),
            (_, part) => parts.push(part),
        }
        rest = &rest[len..];
    }
    Ok(parts)
}

/// A text in quotes at the start, and how long it is with them.
fn quoted(rest: &str, quote: char) -> Option<(Part, usize)> {
    let inner = rest.strip_prefix(quote)?;
    let end = inner.find(quote)?;
    // Java's two quotes are one.
    let text = if end == 0 && quote == '\'' { "'" } else { &inner[..end] };
    Some((Part::Literal(text.into()), end + 2))
}

type Found = Result<(Option<Part>, usize), String>;

/// What a pattern that begins with a character of no field has there.
fn other(rest: &str) -> Found {
    let first = rest.chars().next().map_or(0, char::len_utf8);
    if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let word: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        return Err(word);
    }
    Ok((None, first))
}

fn of_sql(rest: &str) -> Found {
    use Number::*;
    use TimeField as F;
    if let Some((part, len)) = quoted(rest, '"') {
        return Ok((Some(part), len));
    }
    // Without blanks and zeros that fill up.
    let bare = rest.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("FM"));
    let text = if bare { &rest[2..] } else { rest };
    let is = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    const NUMBERS: [(&str, Number, usize); 16] = [
        ("YYYY", Field(F::Year), 4),
        ("YY", YearOfCentury, 2),
        ("MM", Field(F::Month), 2),
        ("DDD", Field(F::Doy), 3),
        ("DD", Field(F::Day), 2),
        ("HH24", Field(F::Hour), 2),
        ("HH12", HourOfHalf, 2),
        ("HH", HourOfHalf, 2),
        ("MI", Field(F::Minute), 2),
        ("SS", Field(F::Second), 2),
        ("MS", Millisecond, 3),
        ("US", Microsecond, 6),
        ("IW", Field(F::Week), 2),
        ("ID", IsoDay, 1),
        ("Q", Field(F::Quarter), 1),
        ("D", DayFrom(1), 1),
    ];
    let case = match text.get(..2) {
        Some(start) if start.chars().all(char::is_uppercase) => Case::Upper,
        Some(start) if start.starts_with(char::is_uppercase) => Case::Capital,
        _ => Case::Lower,
    };
    let fill = |letters: usize| if bare { 0 } else { letters };
    let names = [
        ("MONTH", Part::Month(case, LONGEST, fill(LONGEST))),
        ("MON", Part::Month(case, 3, 3)),
        ("DAY", Part::Day(case, LONGEST, fill(LONGEST))),
        ("DY", Part::Day(case, 3, 3)),
        ("AM", Part::Half(case)),
        ("PM", Part::Half(case)),
    ];
    let skipped = rest.len() - text.len();
    if is("SSSSS") {
        return Err("SSSSS".into());
    }
    if let Some((name, part)) = names.into_iter().find(|(name, _)| is(name)) {
        return Ok((Some(part), skipped + name.len()));
    }
    match NUMBERS.iter().find(|(name, ..)| is(name)) {
        Some((name, number, digits)) => Ok((Some(Part::Number(*number, if bare { 1 } else { *digits })), skipped + name.len())),
        None => other(rest),
    }
}

fn of_java(rest: &str) -> Found {
    use Number::*;
    use TimeField as F;
    if let Some((part, len)) = quoted(rest, '\'') {
        return Ok((Some(part), len));
    }
    let Some(letter) = rest.chars().next() else { return other(rest) };
    let run = rest.chars().take_while(|c| *c == letter).count();
    let number = |number, at_most: usize| (run <= at_most).then_some(Part::Number(number, run));
    let part = match letter {
        'y' | 'u' if run == 2 => number(YearOfCentury, 2),
        'y' | 'u' => number(Field(F::Year), 4),
        'M' | 'L' if run == 3 => Some(Part::Month(Case::Capital, 3, 0)),
        'M' | 'L' if run == 4 => Some(Part::Month(Case::Capital, LONGEST, 0)),
        'M' | 'L' => number(Field(F::Month), 2),
        'd' => number(Field(F::Day), 2),
        'D' => number(Field(F::Doy), 3),
        'H' => number(Field(F::Hour), 2),
        'h' => number(HourOfHalf, 2),
        'm' => number(Field(F::Minute), 2),
        's' => number(Field(F::Second), 2),
        'S' if run == 3 => number(Millisecond, 3),
        'S' if run == 6 => number(Microsecond, 6),
        'Q' | 'q' => number(Field(F::Quarter), 2),
        'E' if run <= 3 => Some(Part::Day(Case::Capital, 3, 0)),
        'E' if run == 4 => Some(Part::Day(Case::Capital, LONGEST, 0)),
        'a' if run == 1 => Some(Part::Half(Case::Upper)),
        letter if letter.is_ascii_alphabetic() => None,
        _ => return other(rest),
    };
    part.map(|part| (Some(part), run)).ok_or_else(|| rest[..run].to_owned())
}

fn of_percent(rest: &str, is_mysql: bool) -> Found {
    use Number::*;
    use TimeField as F;
    let Some(after) = rest.strip_prefix('%') else { return Ok((None, rest.chars().next().map_or(0, char::len_utf8))) };
    let Some(letter) = after.chars().next() else { return Err("%".into()) };
    let number = |number, digits| Part::Number(number, digits);
    let part = match (letter, is_mysql) {
        ('Y', _) => number(Field(F::Year), 4),
        ('y', _) => number(YearOfCentury, 2),
        ('m', _) => number(Field(F::Month), 2),
        ('c', true) => number(Field(F::Month), 1),
        ('d', _) => number(Field(F::Day), 2),
        ('e', true) => number(Field(F::Day), 1),
        ('j', _) => number(Field(F::Doy), 3),
        ('H', _) => number(Field(F::Hour), 2),
        ('k', true) => number(Field(F::Hour), 1),
        ('I', _) | ('h', true) => number(HourOfHalf, 2),
        ('l', true) => number(HourOfHalf, 1),
        ('M', false) | ('i', true) => number(Field(F::Minute), 2),
        ('S', _) | ('s', true) => number(Field(F::Second), 2),
        ('f', _) => number(Microsecond, 6),
        ('p', _) => Part::Half(Case::Upper),
        ('B', false) | ('M', true) => Part::Month(Case::Capital, LONGEST, 0),
        ('b', _) => Part::Month(Case::Capital, 3, 0),
        ('A', false) | ('W', true) => Part::Day(Case::Capital, LONGEST, 0),
        ('a', _) => Part::Day(Case::Capital, 3, 0),
        ('V', false) => number(Field(F::Week), 2),
        ('u', false) => number(IsoDay, 1),
        ('w', _) => number(DayFrom(0), 1),
        ('%', _) => Part::Literal("%".into()),
        _ => return Err(format!("%{letter}")),
    };
    Ok((Some(part), 1 + letter.len_utf8()))
}
