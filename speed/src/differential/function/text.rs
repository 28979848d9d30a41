//! Functions of text, in characters.

use regex::Regex;
use twopath_query::{EvalError, Function, Side};

use super::{invalid, text_of};
use crate::differential::datum::Datum::{self, Bool, Int, Text};
use crate::differential::expr::Evaluated;

/// Longer texts are not made by REPEAT.
const CHARS_MAX: u64 = 1_000_000;

pub fn call(function: &Function, args: &[Datum]) -> Evaluated {
    let text = text_of(&args[0]);
    let second = || text_of(&args[1]);
    let number = |i: usize| match &args[i] {
        Int(n) => *n,
        other => unreachable!("typing lets no {other:?} into a function of text"),
    };
    let made = |text: String| Ok(Text(text.into()));
    let part = |text: &str| Ok(Text(text.into()));
    match function {
        Function::Like { ignore_case, escape } => like(text, second(), *ignore_case, *escape).map(Bool),
        Function::Concat => made(args.iter().map(text_of).collect()),
        Function::Upper => made(text.chars().map(upper).collect()),
        Function::Lower => made(text.chars().map(lower).collect()),
        Function::Initcap => {
            let mut in_word = false;
            let cased = text.chars().map(|c| {
                let (is_first, is_of_word) = (!in_word, c.is_alphanumeric());
                in_word = is_of_word;
                if is_first { upper(c) } else { lower(c) }
            });
            made(cased.collect())
        }
        Function::Reverse => made(text.chars().rev().collect()),
        Function::Trim(side) => {
            let mut rest = text;
            let cut = |c: char| second().contains(c);
            while *side != Side::Trailing
                && let Some(c) = rest.chars().next().filter(|c| cut(*c))
            {
                rest = &rest[c.len_utf8()..];
            }
            while *side != Side::Leading
                && let Some(c) = rest.chars().next_back().filter(|c| cut(*c))
            {
                rest = &rest[..rest.len() - c.len_utf8()];
            }
            part(rest)
        }
        Function::Length => Ok(Int(length(text))),
        Function::Substring => {
            let from = number(1);
            let Some(Int(count)) = args.get(2) else { return part(after(text, from.saturating_sub(1))) };
            if *count < 0 {
                return Err(invalid("negative length in SUBSTRING"));
            }
            // The first character that is no longer wanted, counted from 0.
            let end = from.saturating_sub(1).saturating_add(*count);
            part(after(before(text, end), from.saturating_sub(1)))
        }
        Function::Position => Ok(Int(text.find(second()).map_or(0, |at| 1 + length(&text[..at])))),
        Function::Replace if second().is_empty() => part(text),
        Function::Replace => made(text.split(second()).collect::<Vec<_>>().join(text_of(&args[2]))),
        Function::Left => part(before(text, if number(1) < 0 { length(text).saturating_add(number(1)) } else { number(1) })),
        Function::Right => {
            let n = number(1);
            part(after(text, if n < 0 { n.saturating_neg() } else { length(text).saturating_sub(n) }))
        }
        Function::SplitPart => part(split_part(text, second(), number(2))?),
        Function::StartsWith => Ok(Bool(text.strip_prefix(second()).is_some())),
        Function::Repeat => {
            let times = number(1).max(0) as u64;
            if times.saturating_mul(length(text) as u64) > CHARS_MAX {
                return Err(invalid("a text of more than a million characters by REPEAT"));
            }
            made(if text.is_empty() { String::new() } else { text.repeat(times as usize) })
        }
        function => unreachable!("typing lets no {function:?} of {args:?} through"),
    }
}

fn length(text: &str) -> i64 {
    text.chars().count() as i64
}

/// The first `n` characters.
fn before(text: &str, n: i64) -> &str {
    &text[..text.len() - after(text, n).len()]
}

/// All but the first `n` characters.
fn after(text: &str, n: i64) -> &str {
    let mut chars = text.chars();
    // A text has no more characters than bytes.
    for _ in 0..n.clamp(0, text.len() as i64) {
        chars.next();
    }
    chars.as_str()
}

fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    if mapped.len() == 1 { mapped.next().unwrap_or(c) } else { c }
}

fn lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    if mapped.len() == 1 { mapped.next().unwrap_or(c) } else { c }
}

fn split_part<'a>(text: &'a str, at: &str, n: i64) -> Result<&'a str, EvalError> {
    if n == 0 {
        return Err(invalid("part 0 in SPLIT_PART, where parts are counted from 1 or -1"));
    }
    // An empty delimiter is nowhere.
    let parts: Vec<&str> = if at.is_empty() { vec![text] } else { text.split(at).collect() };
    let index = if n > 0 { n - 1 } else { n.saturating_add(parts.len() as i64) };
    Ok(usize::try_from(index).ok().and_then(|i| parts.get(i).copied()).unwrap_or(""))
}

/// One piece of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Many,
    One,
    This(char),
}

fn like(text: &str, pattern: &str, ignore_case: bool, escape: Option<char>) -> Result<bool, EvalError> {
    let fold = |c: char| if ignore_case { lower(c) } else { c };
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let lone = || invalid(&format!("the pattern of LIKE ends with the escape character {c}"));
        pieces.push(match c {
            c if Some(c) == escape => Piece::This(fold(chars.next().ok_or_else(lone)?)),
            '%' => Piece::Many,
            '_' => Piece::One,
            c => Piece::This(fold(c)),
        });
    }
    let text: Vec<char> = text.chars().map(fold).collect();
    // Which pieces can come next, after every character: piece i in bit i, so to speak.
    let mut next = vec![false; pieces.len() + 1];
    next[0] = true;
    skip_many(&pieces, &mut next);
    for c in text {
        let mut then = vec![false; pieces.len() + 1];
        for (i, piece) in pieces.iter().enumerate().filter(|(i, _)| next[*i]) {
            match piece {
                Piece::Many => then[i] = true,
                Piece::One => then[i + 1] = true,
                Piece::This(wanted) => then[i + 1] |= *wanted == c,
            }
        }
        skip_many(&pieces, &mut then);
        next = then;
    }
    Ok(next[pieces.len()])
}

/// What stands for any text can stand for none.
fn skip_many(pieces: &[Piece], next: &mut [bool]) {
    for (i, piece) in pieces.iter().enumerate() {
        if next[i] && *piece == Piece::Many {
            next[i + 1] = true;
        }
    }
}

/// The first part that the pattern fits, or each, replaced; in `with` `\1` and its kind stand for what was found.
pub fn regex_replace(regex: &Regex, all: bool, text: &str, with: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut end, mut from) = (0, Some(0));
    // As in PostgreSQL, an empty part may stand right behind another one.
    while let Some(found) = from.and_then(|from| regex.captures_at(text, from)) {
        let whole = found.get(0).map_or(0..0, |whole| whole.range());
        out.push_str(&text[end..whole.start]);
        end = whole.end;
        let mut rest = with.chars();
        while let Some(c) = rest.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            match rest.next() {
                Some('\\') | None => out.push('\\'),
                Some('&') => out.push_str(&text[whole.clone()]),
                Some(c @ '1'..='9') => out.push_str(found.get(c as usize & 15).map_or("", |group| group.as_str())),
                Some(c) => out.extend(['\\', c]),
            }
        }
        from = match whole.is_empty() {
            _ if !all => None,
            false => Some(end),
            true => text[end..].chars().next().map(|c| end + c.len_utf8()),
        };
    }
    out + &text[end..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let matches = |text: &str, pattern: &str| like(text, pattern, false, Some('\\')).unwrap();
        for (text, pattern) in [("", ""), ("", "%"), ("abc", "a%"), ("abc", "%b%"), ("abc", "___"), ("a%c", "a\\%c"), ("aab", "%ab")] {
            assert!(matches(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [("", "_"), ("abc", "b%"), ("abc", "__"), ("abc", "a\\%c"), ("aba", "%ab")] {
            assert!(!matches(text, pattern), "{text} {pattern}");
        }
        assert!(like("x", "!", false, Some('!')).is_err() && like("É", "é", true, None).unwrap());
    }

    #[test]
    fn parts_of_texts() {
        let args = |of: &[Datum]| of.to_vec();
        let text = |t: &str| Text(t.into());
        for (function, args, expected) in [
            (Function::Substring, args(&[text("été"), Int(0), Int(2)]), text("é")),
            (Function::Substring, args(&[text("été"), Int(2), Int(i64::MAX)]), text("té")),
            (Function::Substring, args(&[text("été"), Int(i64::MIN), Int(3)]), text("")),
            (Function::Right, args(&[text("abc"), Int(i64::MIN)]), text("")),
            (Function::Left, args(&[text("abc"), Int(-1)]), text("ab")),
            (Function::SplitPart, args(&[text("a-b"), text("-"), Int(-2)]), text("a")),
            (Function::SplitPart, args(&[text("a-b"), text(""), Int(1)]), text("a-b")),
            (Function::Trim(Side::Both), args(&[text("xaxbx"), text("x")]), text("axb")),
            (Function::Replace, args(&[text("aaa"), text("aa"), text("b")]), text("ba")),
        ] {
            assert_eq!(call(&function, &args), Ok(expected), "{function:?} {args:?}");
        }
    }
}
