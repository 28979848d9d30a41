use super::*;

fn rust(v1: &str, v2: &str) -> Code {
    file(Language::Rust, &["speed"], v1, v2)
}

fn sql(v1: &str, v2: &str) -> Code {
    file(Language::Sql, &["batch", "speed"], v1, v2)
}

fn file(language: Language, layers: &[&str], v1: &str, v2: &str) -> Code {
    let layers = layers.iter().map(ToString::to_string).collect();
    count(&[CodeFile { layers, name: "planted".into(), language, v1: v1.into(), v2: v2.into() }]).unwrap()
}

const DELAYS: &str = "\
//! How late flights leave.
use std::collections::HashMap;

/// In minutes.
fn delay(dep: i64, sched: i64) -> i64 {
    dep - sched // wrong around midnight
}

pub fn delays(flights: &[Flight], kept: &mut HashMap<String, Sum>) {
    for flight in flights {
        let Some(dep) = flight.dep else { continue };
        let late = delay(dep, flight.sched);
        kept.entry(flight.origin.clone()).or_default().add(late, if late > 0 && flight.counted { 1 } else { 0 });
    }
}
";

#[test]
fn planted_figures_of_rust() {
    let code = rust(DELAYS, DELAYS);
    // The import (1), delay (3), delays: its head, for, let else, let, the chain of three calls (3), two closing braces.
    assert_eq!(code.v1.lines, 13, "{:?}", code.v1);
    assert_eq!(code.v1.functions, 2);
    // for, let else, if, &&.
    assert_eq!(code.v1.decisions, 4);
    assert_eq!((code.places_touched, code.files_touched, code.layers_touched), (0, 0, 0));
    assert_eq!((code.lines, code.tokens), (code.v1.lines, code.v1.tokens), "what does not change counts once");
}

#[test]
fn tokens_counted_by_hand() {
    // fn f ( ) -> u8 { a + 1 ; b }
    assert_eq!(rust("fn f() -> u8 { a + 1; b }", "").v1.tokens, 13);
    // select a , count ( * ) from t — without the comma.
    assert_eq!(sql("SELECT a, COUNT(*) FROM t", "").v1.tokens, 8);
    assert_eq!(sql("SELECT a, COUNT(*) FROM t", "").v1.functions, 1);
}

/// The same code as another formatter, and a chatty colleague, would have it.
#[test]
fn reformatting_and_comments_change_nothing() {
    let other = "\
use std::collections::HashMap ;
/* The delay. */ fn delay(
    dep: i64,
    sched: i64,
) -> i64 { dep
- sched }
#[doc = \"What it says.\"]
pub fn delays(flights: &[Flight], kept: &mut HashMap<String, Sum>,) {
  for flight in flights { let Some(dep) = flight.dep else { continue };
    // Late or not.
    let late = delay(dep, flight.sched,);
    kept
        .entry(flight.origin.clone()).or_default()
        .add(late, if late > 0 && flight.counted { 1 } else { 0 }); } }

#[cfg(test)]
mod tests { fn much_more() { if true {} } }
";
    let code = rust(DELAYS, other);
    assert_eq!(code.places_touched, 0);
    assert_eq!(code.v1, code.v2);

    let v1 = "SELECT a, AVG(b - c) AS d FROM TUMBLE(TABLE t, DESCRIPTOR(x), INTERVAL '1' HOUR) WHERE b IS NOT NULL GROUP BY a";
    let v2 =
        "select a,\n  avg( b-c ) d -- the delay\nfrom tumble(table t, descriptor(x), interval '1' hour)\nwhere b is not null\ngroup by a";
    let code = sql(v1, v2);
    assert_eq!((code.places_touched, code.v1), (0, code.v2));
    assert_eq!(code.v1.lines, 5, "two items, FROM, WHERE, GROUP BY");
}

#[test]
fn braces_that_formatters_add_count_nothing() {
    let code =
        rust("fn f() { match a { 1 => b(c), _ => d }; g(|x| x + 1) }", "fn f() { match a { 1 => { b(c) } _ => { d } }; g(|x| { x + 1 }) }");
    assert_eq!(code.places_touched, 0);
    assert_eq!(code.v1, code.v2);
    assert_eq!(code.v1.decisions, 1, "one arm beyond the first");
}

#[test]
fn a_name_that_changes_is_one_place_for_each_use() {
    let v1 = "fn f(dep: i64) -> i64 { let late = dep - 5; late * late + dep }";
    let v2 = "fn f(left: i64) -> i64 { let late = left - 5; late * late + left }";
    assert_eq!(rust(v1, v2).places_touched, 3);
    assert_eq!(sql("SELECT a + b, a FROM t", "SELECT c + b, c FROM t").places_touched, 2);
}

#[test]
fn statements_are_places_and_lines_are_not() {
    // Two new statements beside one another are two places; a new function is one, whatever is in it.
    assert_eq!(rust("fn f() { a(1); b(2); }", "fn f() { a(1); let c = 3; e(c, g); b(2); }").places_touched, 2);
    assert_eq!(rust("fn f() { a(1) }", "fn f() { a(1) }\nfn g() { if x { y() }; z(); }").places_touched, 1);
    // Two arguments of one call, on one line.
    assert_eq!(rust("fn f() { a(b, c, d) }", "fn f() { a(x, c, y) }").places_touched, 2);
    // A call put into a chain.
    let chain = |call: &str| {
        format!("fn f(t: Table) -> Table {{ t.filter(col(\"dep\").is_not_null()){call}.group_by([\"origin\"]).agg([len()]) }}")
    };
    assert_eq!(rust(&chain(""), &chain(".with_columns([minutes(col(\"dep\"))])")).places_touched, 1);
    // A statement that another takes the place of.
    assert_eq!(rust("fn f() { a(1); old(q).w; b(2); }", "fn f() { a(1); fresh + 3; b(2); }").places_touched, 1);
}

#[test]
fn the_fix_of_the_delay() {
    let v2 = DELAYS.replace(
        "dep - sched // wrong around midnight",
        "let late = minutes(dep) - minutes(sched);\n    if late < -60 { late + 1440 } else { late }",
    ) + "\nfn minutes(clock: i64) -> i64 {\n    clock / 100 * 60 + clock % 100\n}\n";
    let code = rust(DELAYS, &v2);
    // Both sides of the subtraction, the new statement after it, the new function.
    assert_eq!(code.places_touched, 4);
    assert_eq!(code.v2.functions, 3);
    assert_eq!(code.v2.decisions, code.v1.decisions + 1);
    assert_eq!(code.lines, code.v1.lines + code.v2.lines, "both versions count");
}

#[test]
fn decisions_of_sql() {
    let query = "SELECT CASE WHEN a < b AND c BETWEEN 1 AND 2 THEN 1 WHEN d THEN 2 ELSE 3 END FROM t WHERE a = 1 OR b = 2";
    // Two WHEN, one AND, one OR.
    assert_eq!(sql(query, query).decisions, 4);
}

#[test]
fn what_engines_call_a_branch_is_one() {
    let polars = "fn f() -> Expr { when(col(\"a\").lt(lit(1)).and(col(\"b\"))).then(lit(1)).otherwise(lit(0)) }";
    assert_eq!(rust(polars, polars).decisions, 2);
    let in_macro = "fn f() { assert!(a && b, \"{}\", if c { 1 } else { 2 }); }";
    assert_eq!(rust(in_macro, in_macro).decisions, 2);
}

#[test]
fn a_delay_said_once_is_one_place_and_said_twice_two() {
    let twice = |delay: &str| format!("SELECT origin, AVG({delay}), MAX({delay}) FROM flights GROUP BY origin");
    assert_eq!(sql(&twice("dep - sched"), &twice("m(dep) - m(sched)")).places_touched, 4);
    let once =
        |delay: &str| format!("SELECT origin, AVG(delay), MAX(delay) FROM (SELECT origin, {delay} AS delay FROM flights) GROUP BY origin");
    assert_eq!(sql(&once("dep - sched"), &once("m(dep) - m(sched)")).places_touched, 2);
}

#[test]
fn files_and_layers_are_those_that_changed() {
    let one = |layer: &str, v1: &str, v2: &str| CodeFile {
        layers: vec![layer.into()],
        name: format!("{layer}.rs"),
        language: Language::Rust,
        v1: v1.into(),
        v2: v2.into(),
    };
    let (old, new) = ("fn f() { a - b }", "fn f() { m(a) - m(b) }");
    let same = "fn merge(a: Sum, b: Sum) -> Sum { a + b }";
    let code = count(&[one("batch", old, new), one("speed", old, new), one("speed", same, same), one("serving", same, same)]).unwrap();
    assert_eq!((code.places_touched, code.files_touched, code.layers_touched), (4, 2, 2));
    assert_eq!(code.functions, 2 * 2 + 2, "both versions of two files, and twice what stays");
    assert_eq!(code.listings[3].places_touched, 0);
    // One text for two layers: one file, and both are to be deployed together.
    let code = sql("SELECT a FROM t", "SELECT b FROM t");
    assert_eq!((code.files_touched, code.layers_touched), (1, 2));
}

#[test]
fn an_added_file_is_as_many_places_as_it_has_items() {
    assert_eq!(rust("", "use a::b;\nfn f() {}\nfn g() {}").places_touched, 3);
}

#[test]
fn bad_syntax_is_told_with_file_and_version() {
    let bad = CodeFile { layers: vec![], name: "x.rs".into(), language: Language::Rust, v1: "fn f() {}".into(), v2: "fn f( {}".into() };
    let message = count(&[bad]).unwrap_err().to_string();
    assert!(message.starts_with("x.rs, version 2, cannot be counted: "), "{message}");
    let bad = CodeFile { layers: vec![], name: "q".into(), language: Language::Sql, v1: "SELECT FROM WHERE".into(), v2: String::new() };
    assert!(count(&[bad]).is_err());
}

/// The queries of the built-in workload, and the hand-written jobs of today, can all be counted.
#[test]
fn real_code_is_counted() {
    let v1 = include_str!("../../../events/src/workloads/flights/delays_by_origin_hour.v1.sql");
    let v2 = include_str!("../../../events/src/workloads/flights/delays_by_origin_hour.v2.sql");
    let code = sql(v1, v2);
    assert!(code.places_touched >= 2 && code.v2.tokens > code.v1.tokens, "{code:?}");
    let own = include_str!("rust.rs");
    let counted = rust(own, own);
    let written = own.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count() as f64;
    let ratio = counted.lines as f64 / written;
    // It is written 140 columns wide, and counted as if it were 100.
    assert!((0.9..1.5).contains(&ratio), "{} lines counted, {written} written", counted.lines);
}

mod random {
    use proptest::prelude::*;

    use super::*;

    /// Rust expressions of names, calls, blocks and operators.
    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![Just("a".to_string()), Just("b".into()), Just("7".into()), Just("\"x y\"".into())];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
                prop::collection::vec(inner.clone(), 0..3).prop_map(|list| format!("call({})", list.join(", "))),
                (inner.clone(), inner.clone(), inner.clone()).prop_map(|(c, a, b)| format!("if {c} {{ {a} }} else {{ {b} }}")),
                (inner.clone(), inner).prop_map(|(a, b)| format!("{{ let c = {a}; {b} }}")),
            ]
        })
    }

    fn function() -> impl Strategy<Value = String> {
        prop::collection::vec(expression(), 1..5)
            .prop_map(|list| format!("fn f() {{ {} }}", list.iter().map(|e| format!("let x = {e};")).collect::<Vec<_>>().join(" ")))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn layout_counts_nothing(text in function()) {
            let spread = text.replace(", ", " ,\n // and\n").replace("{ ", "{\n\n").replace("(", "( ");
            let code = rust(&text, &spread);
            prop_assert_eq!(code.places_touched, 0);
            prop_assert_eq!(code.v1, code.v2);
        }

        #[test]
        fn a_difference_is_a_place_and_the_way_back_is_as_long(a in function(), b in function()) {
            let there = rust(&a, &b);
            prop_assert_eq!(there.places_touched == 0, a == b);
            prop_assert_eq!(there.places_touched, rust(&b, &a).places_touched);
        }
    }
}

/// Forms of streams, which the parser does not know, are counted as they are written.
#[test]
fn sql_of_streams() {
    let text =
        "SELECT k, COUNT(*) FROM SESSION(TABLE t PARTITION BY k, DESCRIPTOR(c), INTERVAL '5' MINUTE) GROUP BY k EMIT ON WINDOW CLOSE";
    let code = sql(text, &text.replace("'5'", "'6'"));
    assert_eq!((code.v1.functions, code.places_touched), (1, 1));
    assert!(code.v1.tokens > 20, "{:?}", code.v1);
}
