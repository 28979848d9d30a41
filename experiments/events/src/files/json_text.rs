//! JSON objects, taken apart without losing how their values are written.

use std::borrow::Cow;

use memchr::memchr2;
use serde::de::IgnoredAny;

/// A value of a JSON object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// What a string says.
    String(Cow<'a, str>),
    /// A number's text.
    Number(&'a str),
    /// The text of `null`, `true`, `false`, an array or an object.
    Other(&'a str),
}

/// The fields of an object in the order of the text; else what is wrong, for a message.
pub(super) fn object(text: &str) -> Result<Vec<(Cow<'_, str>, Value<'_>)>, String> {
    let mut scan = Scan { text, at: 0 };
    match scan.object() {
        Some(fields) => {
            for (i, (name, _)) in fields.iter().enumerate() {
                if fields[..i].iter().any(|(n, _)| n == name) {
                    return Err(format!("the field '{name}' stands there twice"));
                }
            }
            Ok(fields)
        }
        None => Err(fault(text)),
    }
}

/// Whether a path leads through the field of that name.
pub(super) fn is_root(name: &str, path: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
}

/// An object's field of that very name.
pub(super) fn named<'f, 'a>(fields: &'f [(Cow<'a, str>, Value<'a>)], name: &str) -> Option<&'f Value<'a>> {
    fields.iter().find(|(n, _)| n == name).map(|(_, value)| value)
}

/// An object's field of that name, or what stands at that path of names and numbers in an array within its fields, such as `user.emails.0`;
/// none where there is nothing. What is wrong with an object on the way, for a message; a value that stands on the way and that nothing
/// leads into is not lost without a word either, nor is one of two that stand at the same place.
pub(super) fn field_at<'a>(fields: &[(Cow<'a, str>, Value<'a>)], path: &str) -> Result<Option<Value<'a>>, String> {
    let mut found = named(fields, path).cloned();
    // Most are no paths.
    if !path.contains('.') {
        return Ok(found);
    }
    // Names may have points, so that several fields can lead to a place: one that does is enough.
    let mut fault = None;
    for (name, value) in fields.iter().filter(|(name, _)| is_root(name, path)) {
        match at_path(value, &path[name.len() + 1..]) {
            Ok(None) => {}
            Ok(Some(_)) if found.is_some() => return Err(format!("the field '{path}' stands there twice")),
            Ok(one) => found = one,
            Err(why) => fault = Some(why),
        }
    }
    match (found, fault) {
        (None, Some(why)) => Err(why),
        (found, _) => Ok(found),
    }
}

/// The fields of an object, or the elements of an array by their numbers; none for other values, and where there is a fault in it.
pub(super) fn children<'a>(value: &Value<'a>) -> Option<Vec<(Cow<'a, str>, Value<'a>)>> {
    let Value::Other(text) = *value else { return None };
    match text.as_bytes().first() {
        Some(b'{') => object(text).ok(),
        Some(b'[') => Some(array(text)?.into_iter().enumerate().map(|(i, element)| (Cow::Owned(i.to_string()), element)).collect()),
        _ => None,
    }
}

/// As [`field_at`], within a value.
fn at_path<'a>(value: &Value<'a>, path: &str) -> Result<Option<Value<'a>>, String> {
    let into = |what: &str| Err(format!("'{path}' is looked for within {what}, which is no object"));
    let text = match value {
        Value::Other("null") => return Ok(None),
        Value::Other(text) if text.starts_with(['{', '[']) => text,
        Value::Number(text) | Value::Other(text) => return into(text),
        Value::String(text) => return into(&serde_json::Value::from(text.as_ref()).to_string()),
    };
    if text.starts_with('{') {
        return field_at(&object(text)?, path);
    }
    let (index, rest) = path.split_once('.').map_or((path, None), |(index, rest)| (index, Some(rest)));
    let Ok(index) = index.parse() else { return into("an array") };
    let element = array(text).and_then(|elements| elements.into_iter().nth(index));
    match (element, rest) {
        (Some(element), Some(rest)) => at_path(&element, rest),
        (element, _) => Ok(element),
    }
}

/// serde_json knows best what is wrong. It counts lines within the text, which here is mostly one.
fn fault(text: &str) -> String {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(e) => {
            let said = e.to_string();
            format!("not JSON at character {}: {}", e.column(), said.split(" at line ").next().unwrap_or(&said))
        }
        Ok(_) => {
            let kind = match text.trim_start().as_bytes().first() {
                Some(b'[') => "an array",
                Some(b'"') => "a string",
                Some(b'{') => return "not JSON: an escape in a string stands for no character".into(),
                Some(b't' | b'f') => "a boolean",
                Some(b'n') => "null",
                _ => "a number",
            };
            format!("this is {kind}, and a JSON object is expected")
        }
    }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// An object that is all of the text.
    fn object(&mut self) -> Option<Vec<(Cow<'a, str>, Value<'a>)>> {
        let mut fields = Vec::new();
        self.byte(b'{')?;
        if self.peek()? != b'}' {
            loop {
                self.peek()?;
                let name = self.string()?;
                self.byte(b':')?;
                fields.push((name, self.value()?));
                if self.peek()? != b',' {
                    break;
                }
                self.at += 1;
            }
        }
        self.byte(b'}')?;
        self.peek().is_none().then_some(fields)
    }

    fn value(&mut self) -> Option<Value<'a>> {
        let start = match self.peek()? {
            b'"' => return self.string().map(Value::String),
            b'-' | b'0'..=b'9' => return self.number().map(Value::Number),
            _ => self.at,
        };
        let mut values = serde_json::Deserializer::from_str(&self.text[start..]).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        self.at = start + values.byte_offset();
        Some(Value::Other(&self.text[start..self.at]))
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        if bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let mut end = start;
        let mut is_plain = true;
        loop {
            end += memchr2(b'"', b'\\', &bytes[end..])?;
            if bytes[end] == b'"' {
                break;
            }
            is_plain = false;
            end += 2;
            if end >= bytes.len() {
                return None;
            }
        }
        self.at = end + 1;
        let text = &self.text[start..end];
        match is_plain && text.bytes().all(|b| b >= 0x20) {
            true => Some(Cow::Borrowed(text)),
            false => serde_json::from_str(&self.text[start - 1..=end]).ok().map(Cow::Owned),
        }
    }

    /// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
    fn number(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start + usize::from(bytes[start] == b'-');
        let digits = |at: usize| bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let whole = digits(at);
        if whole == 0 || (whole > 1 && bytes[at] == b'0') {
            return None;
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            at += 1 + fraction;
            if fraction == 0 {
                return None;
            }
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at.min(bytes.len()));
            at += exponent;
            if exponent == 0 {
                return None;
            }
        }
        self.at = at;
        Some(&self.text[start..at])
    }
}

/// The elements of an array.
fn array(text: &str) -> Option<Vec<Value<'_>>> {
    let mut scan = Scan { text, at: 0 };
    let mut elements = Vec::new();
    scan.byte(b'[')?;
    if scan.peek()? != b']' {
        loop {
            elements.push(scan.value()?);
            if scan.peek()? != b',' {
                break;
            }
            scan.at += 1;
        }
    }
    scan.byte(b']')?;
    Some(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_are_written() {
        let text =
            r#" { "a" : 12345678901234567890123 , "b":{"z":1,"a":[1.0, 1e2,1.10]},"c":"x\ny\u00e9","d":null, "e":-0.50e+1,"f":[] } "#;
        let fields = object(text).unwrap();
        let wanted = [
            ("a", Value::Number("12345678901234567890123")),
            ("b", Value::Other(r#"{"z":1,"a":[1.0, 1e2,1.10]}"#)),
            ("c", Value::String("x\nyé".into())),
            ("d", Value::Other("null")),
            ("e", Value::Number("-0.50e+1")),
            ("f", Value::Other("[]")),
        ];
        assert_eq!(fields, wanted.map(|(name, value)| (Cow::Borrowed(name), value)));
        assert_eq!(object("{}").unwrap(), []);
    }

    #[test]
    fn paths_lead_into_objects_and_arrays() {
        let value = Value::Other(r#"{"user":{"id":7,"tags":["x",{"n":1}]},"a.b":{"c":2},"a":{"b":3}}"#);
        let at = |path: &str| at_path(&value, path).unwrap();
        assert_eq!(at("user.id"), Some(Value::Number("7")));
        assert_eq!(at("user.tags.0"), Some(Value::String("x".into())));
        assert_eq!(at("user.tags.1.n"), Some(Value::Number("1")));
        // Of several on the way one that leads there is enough, and two that do are one too many.
        assert_eq!(at_path(&value, "a.b").unwrap_err(), "the field 'a.b' stands there twice");
        assert_eq!(at("a.b.c"), Some(Value::Number("2")));
        assert_eq!(at_path(&value, "a.b.d").unwrap_err(), "'d' is looked for within 3, which is no object");
        assert_eq!(at_path(&Value::Other(r#"{"a.b":{"c":2}}"#), "a.b.c").unwrap(), Some(Value::Number("2")));
        let both = Value::Other(r#"{"x":{"a":1,"a.b":2}}"#);
        assert_eq!(at_path(&both, "x.a.b"), Ok(Some(Value::Number("2"))));
        let twice = Value::Other(r#"{"a":[{"b":1,"b":2}]}"#);
        assert_eq!(at_path(&twice, "a.0.b").unwrap_err(), "the field 'b' stands there twice");
        assert_eq!((at("user.name"), at("user.tags.9"), at("user.name.first")), (None, None, None));
        for (text, what) in [("7", "7"), ("true", "true"), (r#""a\"b""#, r#""a\"b""#), ("[1]", "an array")] {
            let fields = format!(r#"{{"a":{text},"n":null}}"#);
            let value = Value::Other(&fields);
            assert_eq!(at_path(&value, "a.b.c").unwrap_err(), format!("'b.c' is looked for within {what}, which is no object"));
            assert_eq!(at_path(&value, "n.b.c"), Ok(None));
        }
    }

    #[test]
    fn faults_are_told() {
        for (text, wanted) in [
            ("[1]", "this is an array, and a JSON object is expected"),
            ("{\"a\":1,\"a\":2}", "the field 'a' stands there twice"),
            ("{\"a\":01}", "not JSON at character 7: invalid number"),
            ("{\"a\":1", "not JSON at character 6: EOF while parsing an object"),
            ("{\"a\":1} x", "not JSON at character 9: trailing characters"),
        ] {
            assert_eq!(object(text).unwrap_err(), wanted, "{text}");
        }
    }

    proptest::proptest! {
        /// As serde_json: what one takes, the other takes, with the same values.
        #[test]
        fn as_serde_json(text in r#"\{"a":[-0-9.eE"\\tnul \[\]{}a,:]{0,12}\}"#) {
            let theirs: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&text);
            match object(&text) {
                Ok(fields) => {
                    let theirs = theirs.unwrap();
                    proptest::prop_assert_eq!(fields.len(), theirs.len());
                    for (name, value) in fields {
                        match value {
                            Value::String(s) => proptest::prop_assert_eq!(theirs[&*name].as_str(), Some(&*s)),
                            Value::Number(text) | Value::Other(text) => {
                                let value: serde_json::Value = serde_json::from_str(text).unwrap();
                                proptest::prop_assert_eq!(&value, &theirs[&*name]);
                            }
                        }
                    }
                }
                // The other takes fields that stand there twice, and no number beyond a float.
                Err(why) => proptest::prop_assert!(theirs.is_err() || why.contains("twice"), "{}: {}", text, why),
            }
        }
    }
}
