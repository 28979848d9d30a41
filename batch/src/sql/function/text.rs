//! Functions of text, in characters.

use std::borrow::Cow;

use regex::Regex;
use twopath_query::{DataType, EvalError, Function, Side};

const REPEATED_CHARS_MAX: i64 = 1_000_000;

/// An argument that is there.
pub enum Value<'a> {
    Text(&'a str),
    Int(i64),
}

fn refused(what: &str) -> EvalError {
    EvalError::InvalidArgument { what: what.to_owned() }
}

/// Functions that give text.
pub fn call<'a>(function: &Function, args: &[Value<'a>]) -> Result<Cow<'a, str>, EvalError> {
    use Value::{Int, Text};
    Ok(match (function, args) {
        (Function::Concat, parts) => {
            let texts = parts.iter().map(|part| if let Text(t) = part { *t } else { unreachable!("only texts are joined") });
            Cow::Owned(texts.collect())
        }
        (Function::Upper, [Text(t)]) => Cow::Owned(t.chars().map(|c| single(c, c.to_uppercase())).collect()),
        (Function::Lower, [Text(t)]) => Cow::Owned(t.chars().map(|c| single(c, c.to_lowercase())).collect()),
        (Function::Initcap, [Text(t)]) => {
            let first = |before: Option<char>| !before.is_some_and(char::is_alphanumeric);
            let before = std::iter::once(None).chain(t.chars().map(Some));
            let cased = |(before, c): (Option<char>, char)| match first(before) {
                true => single(c, c.to_uppercase()),
                false => single(c, c.to_lowercase()),
            };
            Cow::Owned(before.zip(t.chars()).map(cased).collect())
        }
        (Function::Reverse, [Text(t)]) => Cow::Owned(t.chars().rev().collect()),
        (Function::Trim(side), [Text(t), Text(chars)]) => {
            let cut: Vec<char> = chars.chars().collect();
            let t = if *side == Side::Trailing { t } else { t.trim_start_matches(&cut[..]) };
            Cow::Borrowed(if *side == Side::Leading { t } else { t.trim_end_matches(&cut[..]) })
        }
        (Function::Substring, [Text(t), Int(from)]) => Cow::Borrowed(between(t, i128::from(*from) - 1, i128::MAX)),
        (Function::Substring, [Text(_), Int(_), Int(..=-1)]) => return Err(refused("negative length in SUBSTRING")),
        (Function::Substring, [Text(t), Int(from), Int(count)]) => {
            let from = i128::from(*from) - 1;
            Cow::Borrowed(between(t, from, from + i128::from(*count)))
        }
        (Function::Replace, [Text(t), Text(""), Text(_)]) => Cow::Borrowed(t),
        (Function::Replace, [Text(t), Text(from), Text(to)]) => Cow::Owned(t.replace(from, to)),
        (Function::Left, [Text(t), Int(n)]) => Cow::Borrowed(between(t, 0, if *n < 0 { size(t) + i128::from(*n) } else { i128::from(*n) })),
        (Function::Right, [Text(t), Int(n)]) => {
            Cow::Borrowed(between(t, if *n < 0 { -i128::from(*n) } else { size(t) - i128::from(*n) }, i128::MAX))
        }
        (Function::SplitPart, [_, _, Int(0)]) => return Err(refused("part 0 in SPLIT_PART, where parts are counted from 1 or -1")),
        (Function::SplitPart, [Text(t), Text(""), Int(n)]) => Cow::Borrowed(if n.abs() == 1 { t } else { "" }),
        (Function::SplitPart, [Text(t), Text(at), Int(n)]) => {
            let nth = usize::try_from(n.unsigned_abs() - 1).unwrap_or(usize::MAX);
            Cow::Borrowed(if *n > 0 { t.split(at).nth(nth) } else { backwards(t, at).get(nth).copied() }.unwrap_or(""))
        }
        (Function::Repeat, [Text(t), Int(n)]) => {
            let n = (*n).max(0);
            if size(t) * i128::from(n) > i128::from(REPEATED_CHARS_MAX) {
                return Err(refused("a text of more than a million characters by REPEAT"));
            }
            Cow::Owned(if t.is_empty() { String::new() } else { t.repeat(n as usize) })
        }
        (function, _) => unreachable!("typing lets no {function:?} of such arguments through"),
    })
}

fn single(c: char, mapped: impl ExactSizeIterator<Item = char>) -> char {
    let mut mapped = mapped.fuse();
    match mapped.len() {
        1 => mapped.next().unwrap_or(c),
        _ => c,
    }
}

fn size(text: &str) -> i128 {
    text.chars().count() as i128
}

/// Characters `from..to`, counted from 0, as far as there are any.
fn between(text: &str, from: i128, to: i128) -> &str {
    let place = |n: i128| match usize::try_from(n) {
        Ok(n) => text.char_indices().map(|(at, _)| at).nth(n).unwrap_or(text.len()),
        Err(_) if n < 0 => 0,
        Err(_) => text.len(),
    };
    let (from, to) = (place(from), place(to));
    if from < to { &text[from..to] } else { "" }
}

/// The parts, the last one first.
fn backwards<'a>(text: &'a str, at: &str) -> Vec<&'a str> {
    let mut parts: Vec<&str> = text.split(at).collect();
    parts.reverse();
    parts
}

/// `%` for any text, `_` for a character, and the character after `escape` for itself.
pub fn like(text: &str, pattern: &str, ignore_case: bool, escape: Option<char>) -> Result<bool, EvalError> {
    let folded = |c: char| if ignore_case { single(c, c.to_lowercase()) } else { c };
    // Wanted characters; one that stands for any; and any number of them.
    let mut wanted: Vec<Option<Option<char>>> = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        wanted.push(match c {
            c if Some(c) == escape => {
                let after = rest.next().ok_or_else(|| refused(&format!("the pattern of LIKE ends with the escape character {c}")))?;
                Some(Some(folded(after)))
            }
            '%' => None,
            '_' => Some(None),
            c => Some(Some(folded(c))),
        });
    }
    let text: Vec<char> = text.chars().map(folded).collect();
    let (mut at, mut next, mut retry) = (0, 0, None);
    loop {
        match wanted.get(next) {
            Some(None) => {
                next += 1;
                retry = Some((at, next));
            }
            Some(Some(c)) if at < text.len() && c.is_none_or(|c| c == text[at]) => (at, next) = (at + 1, next + 1),
            None if at == text.len() => return Ok(true),
            _ => match retry {
                // The last `%` takes one character more.
                Some((from, after)) if from < text.len() => {
                    (at, next) = (from + 1, after);
                    retry = Some((from + 1, after));
                }
                _ => return Ok(false),
            },
        }
    }
}

/// The words that PostgreSQL takes, and what only one of them begins with.
pub fn truth(text: &str) -> Result<bool, EvalError> {
    let word = text.trim_ascii().to_ascii_lowercase();
    match word.as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Ok(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Ok(false),
        _ => Err(EvalError::InvalidText { text: text.into(), to: DataType::Bool }),
    }
}

/// The first match, or each, replaced; `\1` to `\9` in `with` are groups, `\&` is the match, `\\` a backslash.
pub fn regex_replace(regex: &Regex, all: bool, text: &str, with: &str) -> String {
    let pieces: Vec<&str> = with.split('\\').collect();
    let replaced = |found: &regex::Captures<'_>| {
        let mut out = pieces[0].to_owned();
        let mut i = 1;
        while i < pieces.len() {
            let piece = pieces[i];
            let mut chars = piece.chars();
            match chars.next() {
                // Two backslashes have nothing between them; at the end one stands for itself.
                None => {
                    out.push('\\');
                    i += 1;
                    out.push_str(pieces.get(i).unwrap_or(&""));
                }
                Some('&') => out = out + &found[0] + chars.as_str(),
                Some(c @ '1'..='9') => {
                    let group = found.get(c.to_digit(10).unwrap_or(0) as usize).map_or("", |g| g.as_str());
                    out = out + group + chars.as_str();
                }
                Some(_) => out = out + "\\" + piece,
            }
            i += 1;
        }
        out
    };
    let (mut out, mut end, mut from) = (String::new(), 0, 0);
    while from <= text.len() {
        let Some(found) = regex.captures_at(text, from) else { break };
        let whole = found.get_match().range();
        out = out + &text[end..whole.start] + &replaced(&found);
        end = whole.end;
        if !all {
            break;
        }
        // As in PostgreSQL, an empty part may stand right behind another one.
        from = if whole.is_empty() { end + text[end..].chars().next().map_or(1, char::len_utf8) } else { end };
    }
    out + &text[end..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_parts() {
        let matches = |text: &str, pattern: &str| like(text, pattern, false, Some('\\')).unwrap();
        assert!(["a%", "%b%", "___", "%", "%c", "a%c", "%a%b%c%"].iter().all(|p| matches("abc", p)));
        assert!(["", "_", "b%", "____", "%ab", "a\\%c"].iter().all(|p| !matches("abc", p)));
        assert!(matches("aab", "%ab") && like("É", "é", true, None).unwrap() && like("x", "!", false, Some('!')).is_err());
        assert_eq!((between("été", 1, 2), between("été", -3, 1), between("été", 2, i128::MAX)), ("t", "é", "é"));
        let regex = Regex::new("(a)(b)?").unwrap();
        assert_eq!(regex_replace(&regex, true, "xabay", r"<\1\2\&\\\0\>"), r"x<abab\\0\><aa\\0\>y");
        assert_eq!(regex_replace(&regex, false, "aa", r"\"), r"\a");
        let regex = Regex::new("a*").unwrap();
        assert_eq!(regex_replace(&regex, true, "baac", "x"), "xbxxcx");
    }
}
