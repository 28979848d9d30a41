//! A key given on the command line.

use twopath_query::time::parse_timestamp;
use twopath_query::{DataType, NamedExpr, Query, Value};

use super::Failure;

/// The values of a group's key: one text for each key of the query, `NULL` for NULL.
pub(super) fn parse_key(query: &Query, texts: &[String]) -> Result<Vec<Value>, Failure> {
    let names = query.keys.iter().map(|k| k.name.as_str()).collect::<Vec<_>>().join(", ");
    if query.keys.is_empty() || query.rows {
        return Err(Failure::usage("--key: the query has no groups, so that there is one answer only; leave --key out"));
    }
    if texts.len() != query.keys.len() {
        let message =
            format!("--key was given {} times, and a group has {} keys ({names}); give one for each", texts.len(), query.keys.len());
        return Err(Failure::usage(message));
    }
    query.keys.iter().zip(texts).map(|(key, text)| value(key, text)).collect()
}

fn value(key: &NamedExpr, text: &str) -> Result<Value, Failure> {
    if text == "NULL" {
        return Ok(Value::Null);
    }
    let wrong = |what: &str| Failure::usage(format!("--key {text}: '{}' is {what}", key.name));
    Ok(match key.expr.data_type {
        DataType::Text => Value::Text(text.into()),
        DataType::Bool => Value::Bool(text.parse().map_err(|_| wrong("true or false"))?),
        DataType::Int => Value::Int(text.parse().map_err(|_| wrong("an integer of 64 bits"))?),
        DataType::Float => Value::Float(text.parse().map_err(|_| wrong("a number"))?),
        DataType::Timestamp => Value::Timestamp(parse_timestamp(text).ok_or_else(|| wrong("a time, such as 2024-05-01T12:00:00Z"))?),
        _ => return Err(wrong("of a type that cannot be written on the command line; ask for all groups instead")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};

    #[test]
    fn keys_have_the_types_of_the_query() {
        let at = Field::new("at", Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true);
        let schema = Schema::new(vec![at, Field::new("k", Arrow::Utf8, true), Field::new("n", Arrow::Int64, true)]);
        let query = twopath_query::parse("SELECT at, k, n, COUNT(*) AS c FROM t GROUP BY at, k, n", "t", &schema).unwrap();
        let key = |texts: [&str; 3]| parse_key(&query, &texts.map(String::from));
        let epoch = Value::Timestamp(1_000_000);
        assert_eq!(key(["1970-01-01T00:00:01Z", "a b", "-7"]).ok().unwrap(), [epoch, Value::Text("a b".into()), Value::Int(-7)]);
        assert_eq!(key(["NULL", "NULL", "NULL"]).ok().unwrap(), [Value::Null, Value::Null, Value::Null]);
        assert!(key(["soon", "a", "1"]).is_err() && key(["NULL", "a", "1.5"]).is_err());
        assert!(parse_key(&query, &["a".into()]).is_err());
    }
}
