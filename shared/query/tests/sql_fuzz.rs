//! No text makes the parser panic, and errors name a place inside the text.

use proptest::prelude::*;
use twopath_query::arbitrary::{Random, schema, sql};
use twopath_query::{Query, parse};

/// Parses on a stack of the size that threads get, and checks the error's place.
fn check(text: &str, seed: u64) {
    let schema = schema(&mut Random::new(seed));
    if let Err(error) = parse(text, "events", &schema) {
        assert!(text.get(error.span.clone()).is_some(), "the span {:?} is not inside the text", error.span);
        assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty());
        error.report(text);
    }
}

/// Words that queries are made of, and some that they are not.
const WORDS: [&str; 71] = [
    "SELECT",
    "FROM",
    "events",
    "WHERE",
    "GROUP",
    "BY",
    "HAVING",
    "ORDER",
    "LIMIT",
    "AND",
    "OR",
    "NOT",
    "NULL",
    "IS",
    "IN",
    "BETWEEN",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST",
    "AS",
    "BIGINT",
    "COUNT",
    "SUM",
    "AVG",
    "MIN",
    "DISTINCT",
    "FILTER",
    "(",
    ")",
    "*",
    ",",
    "+",
    "-",
    "/",
    "%",
    "=",
    "<>",
    "<",
    ">",
    "::",
    ".",
    "'",
    "\"",
    "'a'",
    "1",
    "2.5",
    "1e9",
    "at",
    "key",
    "n",
    "x",
    "TUMBLE",
    "TABLE",
    "DESCRIPTOR",
    "INTERVAL",
    "'1' HOUR",
    "EXTRACT",
    "DATE_TRUNC",
    "é",
    ";",
    "OVER",
    "VALUES (",
    "(VALUES (1, 'a'), (2, NULL)) AS v (id, name)",
    "UNION ALL",
    "LATERAL",
    "GROUPING SETS (ROLLUP (",
    "~",
    "<<",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,80}", seed in 0u64..8) {
        check(&text, seed);
    }

    #[test]
    fn any_words(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..40), seed in 0u64..8) {
        check(&format!("SELECT {}", words.join(" ")), seed);
    }

    /// Valid queries with a part cut out, doubled, replaced by a word, or moved.
    #[test]
    fn broken_queries(seed in any::<u64>(), at in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), word in prop::sample::select(&WORDS[..]), how in 0..4) {
        let mut random = Random::new(seed);
        let schema = schema(&mut random);
        let text: Vec<char> = sql(&mut random, "events", &schema).chars().collect();
        let (a, b) = (at.index(text.len()), to.index(text.len()));
        let (a, b) = (a.min(b), a.max(b));
        let part = |r: std::ops::Range<usize>| text[r].iter().collect::<String>();
        let (start, middle, end) = (part(0..a), part(a..b), part(b..text.len()));
        let broken = match how {
            0 => start + &end,
            1 => start + &middle + &middle + &end,
            2 => start + word + &end,
            _ => end + &start + &middle,
        };
        check(&broken, seed);
    }
}

#[test]
fn the_longest_chain_fits_the_stack() {
    // Close under the limit of words, on the 2 MiB that a thread gets by default.
    let sums = format!("SELECT 1{} FROM events", " + 1".repeat(1_990));
    let ands = format!("SELECT 1 FROM events WHERE at IS NULL{}", " AND at IS NULL".repeat(990));
    let list = format!("SELECT 1 FROM events WHERE key IN ('a'{})", ", 'b'".repeat(1_900));
    let nested = format!("SELECT {}at{} FROM events", "COALESCE(".repeat(40), ")".repeat(40));
    let nots = format!("SELECT {}1 IS NULL FROM events", "NOT ".repeat(1_000));
    let minuses = format!("SELECT {}1 FROM events", "- ".repeat(1_000));
    let cases = format!("SELECT {}1{} FROM events", "CASE WHEN at IS NULL THEN ".repeat(40), " END".repeat(40));
    let deep_enough = format!("SELECT {}1{} FROM events", "CASE WHEN at IS NULL THEN ".repeat(19), " END".repeat(19));
    for text in [sums, ands, list, nested, nots, minuses, cases, deep_enough] {
        std::thread::spawn(move || {
            let schema = schema(&mut Random::new(1));
            match parse(&text, "events", &schema) {
                Ok(query) => {
                    let json = serde_json::to_string(&query).unwrap();
                    assert_eq!(serde_json::from_str::<Query>(&json).unwrap(), query, "what is accepted can be stored");
                }
                Err(error) => assert!(["nests", "expected end of statement"].iter().any(|m| error.message.contains(m)), "{error}"),
            }
        })
        .join()
        .unwrap();
    }
}
