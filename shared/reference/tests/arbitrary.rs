//! The random queries are valid, varied, and mostly free of errors.

use std::collections::BTreeMap;

use twopath_query::arbitrary::{Profile, Random, batches, schema, sql_of};
use twopath_query::parse;
use twopath_reference::{Reference, compare};

#[test]
fn random_queries_are_valid_and_varied() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut errors = 0;
    let runs = 3_000;
    for seed in 0..runs {
        let mut random = Random::new(seed);
        let schema = schema(&mut random);
        let profile = if seed % 2 == 0 { Profile::BASIC } else { Profile::ALL };
        let text = sql_of(&mut random, "events", &schema, profile);
        let query = parse(&text, "events", &schema).unwrap_or_else(|e| panic!("seed {seed}: {}", e.report(&text)));
        let mut reference = Reference::new(query.clone());
        let stream = batches(&mut random, &schema, 120);
        stream.iter().for_each(|batch| reference.push(batch));
        let answer = reference.answer();
        compare(&query, &answer, &answer).unwrap_or_else(|d| panic!("seed {seed}: {d}"));
        let features = [
            ("empty stream", stream.is_empty()),
            ("error", answer.is_err()),
            ("no rows", answer.as_ref().is_ok_and(|rows| rows.is_empty())),
            ("many rows", answer.as_ref().is_ok_and(|rows| rows.len() > 20)),
            ("global", query.is_global()),
            ("rows", query.rows),
            ("having", query.having.is_some()),
            ("order", !query.order_by.is_empty()),
            ("limit", query.limit.is_some()),
            ("filter", query.filter.is_some()),
            ("window", text.contains("TUMBLE")),
            ("three keys", query.keys.len() == 3 && !query.rows),
            ("distinct", text.contains("SELECT DISTINCT")),
            ("offset", query.offset > 0),
            ("subquery", text.contains("AS computed")),
            ("function", query.to_string().contains("LIKE") || query.to_string().contains("ROUND")),
            ("percentile", text.contains("PERCENTILE_")),
        ];
        features.iter().filter(|(_, is)| *is).for_each(|(name, _)| *seen.entry(name).or_default() += 1);
        errors += usize::from(answer.is_err());
    }
    for name in [
        "empty stream",
        "error",
        "no rows",
        "many rows",
        "global",
        "rows",
        "having",
        "order",
        "limit",
        "filter",
        "window",
        "three keys",
        "distinct",
        "offset",
        "subquery",
        "function",
        "percentile",
    ] {
        let count = seen.get(name).copied().unwrap_or(0);
        assert!(count * 100 >= runs as usize, "only {count} of {runs} queries have: {name} ({seen:?})");
    }
    assert!(errors * 5 < runs as usize, "{errors} of {runs} queries raise an error");
}
