//! LIKE and ILIKE.

use super::text::lower;
use twopath_query::EvalError;

/// A pattern, read once: most are a text with `%` around it, and need no search character by character.
pub struct Pattern {
    ignore_case: bool,
    shape: Shape,
}

enum Shape {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Parts(Vec<Part>),
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// `%`
    Any,
    /// `_`
    One,
    Char(char),
}

impl Pattern {
    /// # Errors
    /// [`EvalError::InvalidArgument`] where it ends with a lone `escape`.
    pub fn new(pattern: &str, ignore_case: bool, escape: Option<char>) -> Result<Self, EvalError> {
        let lowered;
        // The escape character is looked for before letters change.
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            parts.push(if Some(c) == escape {
                let what = || EvalError::InvalidArgument { what: format!("the pattern of LIKE ends with the escape character {c}") };
                Part::Char(chars.next().ok_or_else(what)?)
            } else {
                match c {
                    '%' => Part::Any,
                    '_' => Part::One,
                    c => Part::Char(c),
                }
            });
        }
        if ignore_case {
            lowered = parts.iter().map(|p| if let Part::Char(c) = p { Part::Char(one_lower(*c)) } else { *p }).collect();
            parts = lowered;
        }
        parts.dedup_by(|a, b| *a == Part::Any && *b == Part::Any);
        Ok(Pattern { ignore_case, shape: Shape::of(parts) })
    }

    pub fn matches(&self, text: &str) -> bool {
        let lowered;
        let text = if self.ignore_case {
            lowered = lower(text);
            &lowered
        } else {
            text
        };
        match &self.shape {
            Shape::Exact(t) => text == t,
            Shape::Prefix(t) => text.starts_with(t),
            Shape::Suffix(t) => text.ends_with(t),
            Shape::Contains(t) => text.contains(t),
            Shape::Parts(parts) => search(parts, text),
        }
    }
}

fn one_lower(c: char) -> char {
    let text = lower(c.encode_utf8(&mut [0; 4]));
    text.chars().next().unwrap_or(c)
}

impl Shape {
    fn of(parts: Vec<Part>) -> Self {
        let plain = |parts: &[Part]| parts.iter().map(|p| if let Part::Char(c) = p { Some(*c) } else { None }).collect::<Option<String>>();
        let shape = match &parts[..] {
            [Part::Any, middle @ .., Part::Any] => plain(middle).map(Shape::Contains),
            [Part::Any, end @ ..] => plain(end).map(Shape::Suffix),
            [start @ .., Part::Any] => plain(start).map(Shape::Prefix),
            all => plain(all).map(Shape::Exact),
        };
        shape.unwrap_or(Shape::Parts(parts))
    }
}

/// Goes along both, and back to the last `%` where they part: it takes one character more then.
fn search(parts: &[Part], text: &str) -> bool {
    let (mut part, mut rest) = (0, text);
    let mut again: Option<(usize, &str)> = None;
    loop {
        let next = rest.chars().next();
        match (parts.get(part), next) {
            (Some(Part::Any), _) => {
                part += 1;
                again = Some((part, rest));
                continue;
            }
            (Some(Part::One), Some(c)) => {
                part += 1;
                rest = &rest[c.len_utf8()..];
                continue;
            }
            (Some(Part::Char(wanted)), Some(c)) if *wanted == c => {
                part += 1;
                rest = &rest[c.len_utf8()..];
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        match again {
            Some((after, from)) if !from.is_empty() => {
                let skipped = from.chars().next().map_or(0, char::len_utf8);
                (part, rest) = (after, &from[skipped..]);
                again = Some((after, rest));
            }
            _ => return false,
        }
    }
}
