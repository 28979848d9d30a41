//! Functions of text, in characters, as PostgreSQL has them.

use regex::{Captures, Regex, Replacer};
use twopath_query::EvalError;

/// Longer texts are not made by REPEAT.
const CHARS_MAX: usize = 1_000_000;

fn invalid(what: &str) -> EvalError {
    EvalError::InvalidArgument { what: what.to_owned() }
}

/// Character by character; one whose other case is not one character stays.
pub fn upper(text: &str) -> String {
    mapped(text, char::to_uppercase)
}

/// As [`upper`].
pub fn lower(text: &str) -> String {
    mapped(text, char::to_lowercase)
}

fn mapped<I: Iterator<Item = char> + ExactSizeIterator>(text: &str, of: impl Fn(char) -> I) -> String {
    let one = |c: char| {
        let mut mapped = of(c);
        match (mapped.len(), mapped.next()) {
            (1, Some(m)) => m,
            _ => c,
        }
    };
    text.chars().map(one).collect()
}

/// The first letter of each word as [`upper`] has it, the others as [`lower`] has them.
pub fn initcap(text: &str) -> String {
    let mut capped = String::with_capacity(text.len());
    let mut is_in_word = false;
    for c in text.chars() {
        let mut buffer = [0; 4];
        let one = c.encode_utf8(&mut buffer);
        capped += &if is_in_word { lower(one) } else { upper(one) };
        is_in_word = c.is_alphanumeric();
    }
    capped
}

pub fn length(text: &str) -> i64 {
    text.chars().count() as i64
}

/// The byte at which character `n` (from 0) begins; the end beyond the last.
fn byte_of(text: &str, n: i64) -> usize {
    let Ok(n) = usize::try_from(n) else { return 0 };
    text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
}

/// `count` characters from the `from`-th on, those before the first counting too.
pub fn substring(text: &str, from: i64, count: Option<i64>) -> Result<&str, EvalError> {
    let start = byte_of(text, from.saturating_sub(1).max(0));
    let Some(count) = count else { return Ok(&text[start..]) };
    if count < 0 {
        return Err(invalid("negative length in SUBSTRING"));
    }
    let end = byte_of(text, from.saturating_sub(1).saturating_add(count));
    Ok(text.get(start..end).unwrap_or(""))
}

pub fn position(text: &str, needle: &str) -> i64 {
    text.find(needle).map_or(0, |at| length(&text[..at]) + 1)
}

pub fn left(text: &str, n: i64) -> &str {
    let end = if n < 0 { length(text).saturating_add(n).max(0) } else { n };
    &text[..byte_of(text, end)]
}

pub fn right(text: &str, n: i64) -> &str {
    let start = if n < 0 { n.saturating_neg() } else { length(text).saturating_sub(n).max(0) };
    &text[byte_of(text, start)..]
}

pub fn split_part<'a>(text: &'a str, at: &str, n: i64) -> Result<&'a str, EvalError> {
    let nth = n.unsigned_abs().saturating_sub(1).try_into().unwrap_or(usize::MAX);
    Ok(match n {
        0 => return Err(invalid("part 0 in SPLIT_PART, where parts are counted from 1 or -1")),
        // An empty delimiter is nowhere: the text is one part.
        1 | -1 if at.is_empty() => text,
        _ if at.is_empty() => "",
        1.. => text.split(at).nth(nth).unwrap_or(""),
        _ => {
            let parts: Vec<&str> = text.split(at).collect();
            parts.len().checked_sub(nth.saturating_add(1)).map_or("", |i| parts[i])
        }
    })
}

pub fn repeat(text: &str, n: i64) -> Result<String, EvalError> {
    let n = usize::try_from(n).unwrap_or(0);
    if text.chars().count().saturating_mul(n) > CHARS_MAX {
        return Err(invalid("a text of more than a million characters by REPEAT"));
    }
    Ok(text.repeat(n))
}

/// The text with the first part that the pattern fits, or each, replaced. As in PostgreSQL an empty part may stand right behind another one.
pub fn regex_replace(regex: &Regex, all: bool, text: &str, with: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let (mut copied, mut from) = (0, 0);
    while let Some(captures) = regex.captures_at(text, from) {
        let part = captures.get_match();
        replaced.push_str(&text[copied..part.start()]);
        Template(with).replace_append(&captures, &mut replaced);
        copied = part.end();
        let next = text[copied..].chars().next().map_or(1, char::len_utf8);
        from = if part.is_empty() { copied + next } else { copied };
        if !all || from > text.len() {
            break;
        }
    }
    replaced.push_str(&text[copied..]);
    replaced
}

/// What REGEXP_REPLACE puts in the place of a part: `\1` to `\9` are groups, `\&` is the whole, and `\\` one backslash.
struct Template<'a>(&'a str);

impl Replacer for Template<'_> {
    fn replace_append(&mut self, captures: &Captures<'_>, out: &mut String) {
        let mut rest = self.0;
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            let mut after = rest[at + 1..].chars();
            match after.next() {
                Some('&') => out.push_str(&captures[0]),
                Some('\\') => out.push('\\'),
                Some(digit @ '1'..='9') => {
                    let group = captures.get(digit as usize - '0' as usize);
                    out.push_str(group.map_or("", |g| g.as_str()));
                }
                // Before anything else it stands for itself.
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            }
            rest = after.as_str();
        }
        out.push_str(rest);
    }
}
