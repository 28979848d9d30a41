//! `result.schema.json` says what `result.json` holds: every field, and nothing else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../result.schema.json");
/// Of a real comparison; `experiments/results/tests/data/README.md` says how it was made.
const RESULT: &str = include_str!("data/result.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// What of JSON Schema the file uses. Pushes one line per violation.
fn validate(root: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").expect("references are local");
        return validate(root, &root["$defs"][name], value, at, wrong);
    }
    for (keyword, enough) in [("oneOf", 1), ("anyOf", 1)] {
        if let Some(options) = schema[keyword].as_array() {
            let fitting = options.iter().filter(|option| {
                let mut wrong = vec![];
                validate(root, option, value, at, &mut wrong);
                wrong.is_empty()
            });
            if fitting.count() < enough {
                wrong.push(format!("{at}: fits none of {keyword}"));
            }
        }
    }
    if let Some(expected) = schema.get("const")
        && expected != value
    {
        wrong.push(format!("{at}: {value} is not {expected}"));
    }
    if let Some(options) = schema["enum"].as_array()
        && !options.contains(value)
    {
        wrong.push(format!("{at}: {value} is none of {options:?}"));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let fits = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    };
    if !kinds.is_empty() && !kinds.iter().any(fits) {
        wrong.push(format!("{at}: {value} is not {kinds:?}"));
    }
    if let Some(items) = value.as_array() {
        items.iter().enumerate().for_each(|(i, item)| validate(root, &schema["items"], item, &format!("{at}[{i}]"), wrong));
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                wrong.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, item) in object {
            let at = format!("{at}.{name}");
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(property), _) => validate(root, property, item, &at, wrong),
                (None, Some(Value::Object(_))) => validate(root, &schema["additionalProperties"], item, &at, wrong),
                (None, _) if schema["properties"].is_object() => wrong.push(format!("{at}: is not in the schema")),
                _ => {}
            }
        }
    }
}

fn violations(value: &Value) -> Vec<String> {
    let schema = schema();
    let mut wrong = vec![];
    validate(&schema, &schema, value, "$", &mut wrong);
    wrong
}

#[test]
fn a_real_result_is_what_the_schema_says() {
    let result: Value = serde_json::from_str(RESULT).unwrap();
    assert_eq!(violations(&result), Vec::<String>::new());
    // And what the program writes today: read into the structs and written again.
    let read: twopath_results::result::CompareResult = serde_json::from_str(RESULT).unwrap();
    assert_eq!(violations(&serde_json::to_value(&read).unwrap()), Vec::<String>::new());
}

#[test]
fn the_check_can_fail() {
    let mut result: Value = serde_json::from_str(RESULT).unwrap();
    result["runs"][0]["events"] = json!("many");
    result["runs"][0]["cost"].as_object_mut().unwrap().remove("bytes_written");
    result["surprise"] = json!(1);
    result["runs"][1]["outcome"] = json!({"kind": "lost"});
    result["runs"][1]["marks"][0]["kind"] = json!("party");
    assert_eq!(violations(&result).len(), 5, "{:?}", violations(&result));
}

#[test]
fn every_field_is_explained() {
    let schema = schema();
    let mut bare = BTreeSet::new();
    for (name, definition) in schema["$defs"].as_object().unwrap().iter().chain([(&"result".to_string(), &schema)]) {
        for (field, property) in definition["properties"].as_object().into_iter().flatten() {
            if property["description"].as_str().is_none_or(str::is_empty) {
                bare.insert(format!("{name}.{field}"));
            }
        }
    }
    assert_eq!(bare, BTreeSet::new());
}

/// Fields that scripts may rely on.
#[test]
fn promised_fields_are_required() {
    let schema = schema();
    let required = |definition: &Value| -> BTreeSet<String> {
        definition["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_string()).collect()
    };
    let promised: [(&Value, &[&str]); 8] = [
        (&schema, &["provenance", "runs", "settings", "questions", "effects", "complete"]),
        (&schema["$defs"]["Settings"], &["events_history"]),
        (&schema["$defs"]["Effect"], &["factor", "figure", "ratio", "low", "high"]),
        (
            &schema["$defs"]["RunResult"],
            &[
                "architecture",
                "batch_engine",
                "speed_engine",
                "language",
                "kept_up",
                "repeat",
                "events",
                "freshness_ms",
                "query_latency_ms",
                "answers",
                "time_to_correct_ms",
                "extra_storage_bytes_max",
                "cost",
                "code",
            ],
        ),
        (&schema["$defs"]["Quantiles"], &["p50", "p90", "p99", "p999", "max"]),
        (&schema["$defs"]["Answers"], &["checked", "wrong", "wrong_for_ms"]),
        (&schema["$defs"]["Cost"], &["cpu_s_per_million_events", "rss_bytes_max", "bytes_written", "money_per_million_events"]),
        (&schema["$defs"]["Code"], &["lines", "functions", "decisions", "tokens", "places_touched", "files_touched", "layers_touched"]),
    ];
    for (definition, names) in promised {
        for name in names {
            assert!(required(definition).contains(*name), "{name}");
        }
    }
}
