//! How objects stand in a JSON file: one a line, one after the other over several lines, or as the elements of one array.

use std::path::PathBuf;

use memchr::{memchr, memchr_iter};

use super::FileError;
use super::input::{Input, mark};
use super::json_text::object;
use super::rows::{Grammar, Next};

/// So much of a file's start tells its form.
const START_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Lines,
    /// Objects of several lines each.
    Objects,
    Array,
}

impl Form {
    /// From the start of a file, and how many bytes of it are a byte-order mark.
    pub fn of(input: &Input) -> Result<(Self, u64), FileError> {
        let start = input.start(START_BYTES)?;
        let text = &start[mark(&start)..];
        let mark = (start.len() - text.len()) as u64;
        let is_all = input.bytes() <= start.len() as u64;
        let Some(first) = text.iter().position(|b| !b.is_ascii_whitespace()) else { return Ok((Form::Lines, mark)) };
        let value = &text[first..];
        let form = match value[0] {
            // An array of numbers would be a line that does not fit.
            b'[' => match value[1..].iter().find(|b| !b.is_ascii_whitespace()) {
                Some(b'{' | b']') => Form::Array,
                _ => Form::Lines,
            },
            b'{' => {
                let line = memchr(b'\n', value).unwrap_or(value.len());
                match value_end(value, is_all) {
                    Some(end) if end > line && std::str::from_utf8(&value[..end]).is_ok_and(|text| object(text).is_ok()) => Form::Objects,
                    _ => Form::Lines,
                }
            }
            _ => Form::Lines,
        };
        Ok((form, mark))
    }
}

/// Objects in one of the forms.
pub(super) struct JsonGrammar {
    pub form: Form,
    pub path: PathBuf,
    /// Of an array: whether its bracket and an element have been seen.
    pub is_open: bool,
    pub has_elements: bool,
}

impl JsonGrammar {
    pub fn new(form: Form, path: PathBuf) -> Self {
        JsonGrammar { form, path, is_open: false, has_elements: false }
    }
}

impl Grammar for JsonGrammar {
    fn next(&mut self, text: &[u8], is_all: bool, line: u64) -> Result<Next, FileError> {
        if self.form == Form::Lines {
            let end = match memchr(b'\n', text) {
                Some(end) => end + 1,
                None if !is_all => return Ok(Next::More),
                None if text.is_empty() => return Ok(Next::End),
                None => text.len(),
            };
            let row = if text[..end].iter().all(u8::is_ascii_whitespace) { 0..0 } else { 0..end };
            return Ok(Next::Row { row, end, lines: memchr_iter(b'\n', &text[..end]).count() as u64, lines_before: 0 });
        }
        let mut at = 0;
        let mut is_separated = !self.has_elements || self.form == Form::Objects;
        let lines_to = |at: usize| memchr_iter(b'\n', &text[..at]).count() as u64;
        let malformed = |at: usize, reason: &str| FileError::Malformed {
            path: self.path.clone(),
            format: "JSON",
            reason: format!("line {}: {reason}", line + lines_to(at)),
        };
        loop {
            match text.get(at) {
                None if !is_all => return Ok(Next::More),
                None if self.form == Form::Objects => return Ok(Next::End),
                None => return Err(malformed(at, "the array is not closed")),
                Some(b) if b.is_ascii_whitespace() => {}
                Some(b'[') if self.form == Form::Array && !self.is_open => {
                    // What is looked at again after more has been read begins behind the bracket.
                    let end = at + 1;
                    self.is_open = true;
                    return Ok(Next::Row { row: 0..0, end, lines: lines_to(end), lines_before: 0 });
                }
                Some(b',') if self.form == Form::Array && !is_separated => is_separated = true,
                Some(b',') if self.form == Form::Array => return Err(malformed(at, "nothing stands before this comma of the array")),
                Some(b']') if self.form == Form::Array && self.has_elements && is_separated => {
                    return Err(malformed(at, "nothing stands between the last comma and the end of the array"));
                }
                Some(b']') if self.form == Form::Array => {
                    return match text[at + 1..].iter().all(u8::is_ascii_whitespace) {
                        true if is_all => Ok(Next::End),
                        true => Ok(Next::More),
                        false => Err(malformed(at, "something stands behind the end of the array")),
                    };
                }
                Some(_) if is_separated => break,
                Some(_) => return Err(malformed(at, "a comma is missing between two elements of the array")),
            }
            at += 1;
        }
        match value_end(&text[at..], is_all) {
            // A comma or a bracket that closes nothing.
            Some(0) => Err(malformed(at, "something stands here that is no object")),
            Some(length) => {
                self.has_elements = true;
                Ok(Next::Row { row: at..at + length, end: at + length, lines: lines_to(at + length), lines_before: lines_to(at) })
            }
            None if is_all => Err(malformed(at, "the object that begins here is not closed")),
            None => Ok(Next::More),
        }
    }
}

/// Where the value at the start of a text ends; none where the text ends before it does.
fn value_end(text: &[u8], is_all: bool) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => loop {
                at += 1 + memchr::memchr2(b'"', b'\\', text.get(at + 1..)?)?;
                match text[at] {
                    b'"' => break,
                    _ => at += 1,
                }
            },
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return Some(at),
            _ => {
                at += 1;
                continue;
            }
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
    (depth == 0 && is_all && at > 0).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<(u64, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, text).unwrap();
        let input = Input::open(&path).unwrap();
        let (form, mark) = Form::of(&input).unwrap();
        let mut rows = super::super::rows::Rows::new(&input, mark, u64::MAX, 1, JsonGrammar::new(form, "a.json".into()));
        let mut all = Vec::new();
        while let Some(block) = rows.block(2).map_err(|e| e.to_string())? {
            all.extend(block.rows.iter().map(|(line, range)| (*line, String::from_utf8(block.text[range.clone()].to_vec()).unwrap())));
        }
        Ok(all)
    }

    #[test]
    fn objects_in_all_forms() {
        let row = |line, text: &str| (line, text.to_owned());
        let (a, b) = (r#"{"a":"]}\"\\"}"#, r#"{"b":{"c":[1,{}]}}"#);
        assert_eq!(rows(&format!("{a}\n\n{b}")).unwrap(), [row(1, &format!("{a}\n")), row(3, b)]);
        assert_eq!(rows(&format!("\u{feff}[{a},\n {b} ]\n")).unwrap(), [row(1, a), row(2, b)]);
        assert_eq!(rows(&format!("\n[\n{a}\n,{b},\n{a}]")).unwrap(), [row(3, a), row(4, b), row(5, a)]);
        assert_eq!(rows("{\n \"a\": 1\n}\n{\"a\":\n2}{}").unwrap(), [row(1, "{\n \"a\": 1\n}"), row(4, "{\"a\":\n2}"), row(5, "{}")]);
        assert_eq!(rows("[{},7,\"x, y\",null]").unwrap(), [row(1, "{}"), row(1, "7"), row(1, "\"x, y\""), row(1, "null")]);
        assert_eq!(rows("[]").unwrap(), []);
        assert_eq!(rows("\u{feff}\u{feff}{}").unwrap(), [row(1, "{}")]);
        // A line that is broken does not make the next ones its own.
        assert_eq!(rows("{\"a\":1\n{\"a\":2}\n").unwrap(), [row(1, "{\"a\":1\n"), row(2, "{\"a\":2}\n")]);
    }

    #[test]
    fn what_is_not_closed_is_told() {
        for (text, wanted) in [
            ("[{\"a\":1},\n{\"a\":2}", "line 2: the array is not closed"),
            ("[{\"a\":1},\n{\"a\":2", "line 2: the object that begins here is not closed"),
            ("[{}\n{}]", "line 2: a comma is missing"),
            ("[{}] x", "behind the end of the array"),
            ("[{},\n,{}]", "line 2: nothing stands before this comma"),
            ("[{},{},\n]", "line 2: nothing stands between the last comma and the end"),
            ("[{},}]", "line 1: something stands here that is no object"),
            ("{\n\"a\":1\n}\n}\n", "line 4: something stands here that is no object"),
            ("{\n\"a\":1\n},\n{\"a\":2}", "line 3: something stands here that is no object"),
        ] {
            let error = rows(text).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
