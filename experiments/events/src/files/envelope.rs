//! Envelopes: objects that say what became of a table's row, and hold the row.
//!
//! Debezium's (<https://debezium.io/documentation/reference/stable/connectors/postgresql.html>, "Data change events"), with or without
//! `schema` and `payload` around it:
//!
//! ```text
//! {"before": {...} | null, "after": {...} | null, "op": "c" | "r" | "u" | "d" | ..., "ts_ms": 1700000000000, "source": {...}}
//! ```
//!
//! A row that was created, read or updated becomes a record of its fields. One that was deleted becomes a record in which all but the key is NULL,
//! which is what deletes a row of a keyed topic; so does the row that had another key before it was updated. A null, which Debezium writes behind a deletion so that compaction
//! forgets the key, becomes nothing. Where the event-time column is [`CHANGED_AT`], it has the time of the change, under the name
//! that Debezium's own flattening gives it.

use std::borrow::Cow;

use clap::ValueEnum;

use super::json_text::{Value, object};
use super::{ReadOptions, iso};

/// The time of a change, as a column.
pub const CHANGED_AT: &str = "__ts_ms";

/// What stands around the rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Envelope {
    /// Changes of a database's table, as Debezium writes them in JSON
    Debezium,
}

/// How objects are taken out of their envelopes.
#[derive(Debug, Clone, Default)]
pub(super) struct Unwrap {
    envelope: Option<Envelope>,
    /// The column whose value says which row it is.
    key: Option<String>,
    /// Whether the time of the change is wanted.
    is_timed: bool,
}

pub(super) type Object<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

impl Unwrap {
    pub fn of(options: &ReadOptions) -> Unwrap {
        let is_timed = options.time_column.as_deref() == Some(CHANGED_AT);
        Unwrap { envelope: options.envelope, key: options.key.clone(), is_timed }
    }

    /// The fields of the rows that a text holds, one without an envelope; else what is wrong, for a message.
    pub fn rows<'a>(&self, text: &'a str) -> Result<Vec<Object<'a>>, String> {
        match self.envelope {
            None => Ok(vec![object(text)?]),
            Some(Envelope::Debezium) if text.trim() == "null" => Ok(Vec::new()),
            Some(Envelope::Debezium) => self.debezium(object(text)?),
        }
    }

    fn debezium<'a>(&self, mut fields: Object<'a>) -> Result<Vec<Object<'a>>, String> {
        if field(&fields, "op").is_none()
            && let Some(payload) = field(&fields, "payload")
        {
            match inner(payload, "payload")? {
                Some(payload) => fields = payload,
                None => return Ok(Vec::new()),
            }
        }
        let Some(Value::String(op)) = field(&fields, "op") else {
            return Err("this is no change as Debezium writes them: it has no 'op'".into());
        };
        let row = |name: &str| field(&fields, name).map_or(Ok(None), |value| inner(value, name));
        let mut changed = match op.as_ref() {
            "c" | "r" | "u" => {
                let after = row("after")?.ok_or_else(|| format!("'after' is missing, which a change '{op}' has"))?;
                if let Some(key) = &self.key
                    && after.len() > 1
                    && after.iter().all(|(name, value)| name == key || *value == Value::Other("null"))
                {
                    return Err(format!("all but '{key}' is null, and such a record would delete the row"));
                }
                let before = if op == "u" { row("before")? } else { None };
                let gone = before.and_then(|before| self.row_of_another_key(before, &after));
                gone.into_iter().chain([after]).collect()
            }
            "d" => {
                let key = self.key.as_deref().ok_or("a row was deleted, and which is not known without a key: give --key COLUMN")?;
                let mut before = row("before")?.ok_or("a row was deleted, and 'before' does not say which")?;
                before.retain(|(name, _)| name == key);
                if before.is_empty() {
                    return Err(format!("a row was deleted, and 'before' has no '{key}' that says which"));
                }
                vec![before]
            }
            "t" => return Err("all rows were deleted at once (op 't'), which records of single rows cannot say".into()),
            other => return Err(format!("op '{other}' is no change of a row")),
        };
        if self.is_timed {
            let Some(Value::Number(ms)) = field(&fields, "ts_ms") else { return Err("'ts_ms' does not say when it changed".into()) };
            let us = ms.parse::<i64>().ok().and_then(|ms| ms.checked_mul(1000)).ok_or_else(|| format!("'ts_ms' is no time: {ms}"))?;
            changed.iter_mut().for_each(|row| row.push((Cow::Borrowed(CHANGED_AT), Value::String(Cow::Owned(iso(us))))));
        }
        Ok(changed)
    }

    /// The deletion of the row that an update gave another key, if it did.
    fn row_of_another_key<'a>(&self, mut before: Object<'a>, after: &Object<'a>) -> Option<Object<'a>> {
        let key = self.key.as_deref()?;
        before.retain(|(name, _)| name == key);
        let (_, value) = before.first()?;
        (Some(value) != field(after, key)).then_some(before)
    }
}

fn field<'f, 'a>(fields: &'f [(Cow<'a, str>, Value<'a>)], name: &str) -> Option<&'f Value<'a>> {
    fields.iter().find(|(n, _)| n == name).map(|(_, value)| value)
}

/// The fields of an object within an object; none where it is null.
fn inner<'a>(value: &Value<'a>, name: &str) -> Result<Option<Object<'a>>, String> {
    match *value {
        Value::Other("null") => Ok(None),
        Value::Other(text) => object(text).map(Some).map_err(|reason| format!("'{name}': {reason}")),
        Value::String(_) | Value::Number(_) => Err(format!("'{name}' is no object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwrap(text: &str, key: Option<&str>, is_timed: bool) -> Result<String, String> {
        let unwrap = Unwrap { envelope: Some(Envelope::Debezium), key: key.map(String::from), is_timed };
        let row = |fields: Object<'_>| fields.iter().map(|(name, value)| format!("{name}={value:?} ")).collect::<String>();
        unwrap.rows(text).map(|rows| rows.into_iter().map(row).collect::<Vec<_>>().join("| "))
    }

    #[test]
    fn changes_become_rows_and_deletions_leave_the_key() {
        let row = r#"{"id":1,"name":"a"}"#;
        let change = |op: &str, before: &str, after: &str| {
            format!(r#"{{"before":{before},"after":{after},"source":{{"table":"t"}},"op":"{op}","ts_ms":1700000000001}}"#)
        };
        let wanted = r#"id=Number("1") name=String("a") "#;
        for op in ["c", "r", "u"] {
            assert_eq!(unwrap(&change(op, "null", row), None, false).unwrap(), wanted);
        }
        let wrapped = format!(r#"{{"schema":{{"type":"struct"}},"payload":{}}}"#, change("u", row, row));
        assert_eq!(unwrap(&wrapped, None, true).unwrap(), wanted.to_owned() + r#"__ts_ms=String("2023-11-14T22:13:20.001Z") "#);
        assert_eq!(unwrap(&change("d", row, "null"), Some("id"), false).unwrap(), r#"id=Number("1") "#);
        // A row that is given another key leaves the one that it had.
        let other = r#"{"id":2,"name":"a"}"#;
        for (key, wanted) in [(None, ""), (Some("name"), ""), (Some("id"), r#"id=Number("2") | "#)] {
            assert_eq!(unwrap(&change("u", other, row), key, false).unwrap(), wanted.to_owned() + r#"id=Number("1") name=String("a") "#);
        }
        let timed = unwrap(&change("u", other, row), Some("id"), true).unwrap();
        assert_eq!(timed.matches("__ts_ms").count(), 2, "{timed}");
        // What lets compaction forget a key.
        for tombstone in ["null", " null\t", r#"{"schema":{},"payload":null}"#] {
            assert_eq!(unwrap(tombstone, Some("id"), true).unwrap(), "");
        }
        // A row that has such columns itself is no envelope.
        assert_eq!(
            unwrap(&change("c", "null", r#"{"op":"x","payload":2}"#), None, false).unwrap(),
            r#"op=String("x") payload=Number("2") "#
        );
    }

    #[test]
    fn what_is_no_change_of_a_row_is_told() {
        for (text, key, wanted) in [
            (r#"{"id":1}"#, None, "this is no change as Debezium writes them: it has no 'op'"),
            (r#"{"op":"c","after":null}"#, None, "'after' is missing, which a change 'c' has"),
            (r#"{"op":"c","after":7}"#, None, "'after' is no object"),
            (r#"{"op":"c","after":{"id":1,"n":null}}"#, Some("id"), "all but 'id' is null, and such a record would delete the row"),
            (r#"{"op":"c","after":[7]}"#, None, "'after': this is an array, and a JSON object is expected"),
            (r#"{"op":"d","before":{"id":1}}"#, None, "a row was deleted, and which is not known without a key: give --key COLUMN"),
            (r#"{"op":"d","before":null}"#, Some("id"), "a row was deleted, and 'before' does not say which"),
            (r#"{"op":"d","before":{"id":1}}"#, Some("k"), "a row was deleted, and 'before' has no 'k' that says which"),
            (r#"{"op":"t"}"#, None, "all rows were deleted at once (op 't'), which records of single rows cannot say"),
            (r#"{"op":"m"}"#, None, "op 'm' is no change of a row"),
        ] {
            assert_eq!(unwrap(text, key, false).unwrap_err(), wanted, "{text}");
        }
        assert_eq!(unwrap(r#"{"op":"c","after":{}}"#, None, true).unwrap_err(), "'ts_ms' does not say when it changed");
    }
}
