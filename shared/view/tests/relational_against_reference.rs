//! Queries of every shape against the reference: engines' groups of the flat queries, folded in parts that are merged, and what is computed of their answers.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema};
use twopath_query::arbitrary::{Random, TOPICS, relational_schema, relational_sql, relational_stream, relational_topics};
use twopath_query::plan::Node;
use twopath_query::{EvalError, Plan, Program, Value, logical_plan_over, values};
use twopath_reference::{PlanReference, compare_rows};
use twopath_view::{GroupTable, Selection, answer, finish};

/// The batch as it comes out of the log, in which it arrived then as the records from `offset` on.
fn out_of_the_log(batch: &RecordBatch, arrival_us: i64, offset: i64) -> RecordBatch {
    let rows = batch.num_rows() as i64;
    let arrival = TimestampMicrosecondArray::from_value(arrival_us, batch.num_rows()).with_timezone("UTC");
    let log: [(&str, ArrayRef); 3] = [
        ("_arrival", Arc::new(arrival)),
        ("_partition", Arc::new(Int64Array::from_value(0, batch.num_rows()))),
        ("_offset", Arc::new(Int64Array::from_iter_values(offset..offset + rows))),
    ];
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    fields.extend(log.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), false)));
    let columns = batch.columns().iter().cloned().chain(log.into_iter().map(|(_, array)| array)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn ours(random: &mut Random, program: &Program, stream: &[(&str, RecordBatch)]) -> Result<Vec<Vec<Value>>, EvalError> {
    let mut answers = Vec::new();
    for query in &program.inputs {
        let mut parts: Vec<GroupTable> = (0..1 + random.below(3)).map(|_| GroupTable::new(query)).collect();
        for (_, batch) in stream.iter().filter(|(topic, _)| *topic == query.topic) {
            let part = random.below(parts.len());
            parts[part].update_from_log(query, batch)?;
        }
        answers.push(answer(query, &parts.iter().collect::<Vec<_>>(), &Selection::default())?);
    }
    values::rows(&finish(program, &answers)?)
}

#[test]
fn programs_agree_with_the_reference() {
    run(0..4_000);
}

/// For a night: `SEEDS=100000 cargo test --release -p twopath-view --test relational_against_reference -- --ignored`.
#[test]
#[ignore = "takes as long as one lets it"]
fn many_more() {
    let seeds = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(10_000);
    run(1_000_000..1_000_000 + seeds);
}

/// What raises an error is not kept from it by a condition behind it.
#[test]
fn conditions_keep_their_order() {
    for seed in 0..60 {
        for sql in [
            "SELECT c.n FROM clicks c JOIN orders o ON c.n = o.n WHERE CAST(c.k AS BIGINT) > 0 AND c.n % 2 = 7",
            "SELECT c.n FROM clicks c JOIN orders o ON c.n = o.n WHERE c.n = 1 AND CAST(c.k AS BIGINT) > 0 AND o.k IS NULL",
        ] {
            let _ = check(&format!("seed {seed}"), sql, &mut Random::new(seed));
        }
    }
}

/// Each answers as the other does, which is written with more words.
#[test]
fn short_forms_answer_as_long_ones() {
    const PAIRS: [(&str, &str); 8] = [
        (
            "SELECT window_start AS s, window_end AS e, COUNT(*) AS n FROM TUMBLE(clicks, at, INTERVAL '5' MINUTE) GROUP BY GROUPING SETS ((window_start), (window_end), (window_end, k))",
            "SELECT window_start AS s, NULL AS e, COUNT(*) AS n FROM TUMBLE(clicks, at, INTERVAL '5' MINUTE) GROUP BY window_start \
             UNION ALL SELECT NULL, window_end, COUNT(*) FROM TUMBLE(clicks, at, INTERVAL '5' MINUTE) GROUP BY window_end \
             UNION ALL SELECT NULL, window_end, COUNT(*) FROM TUMBLE(clicks, at, INTERVAL '5' MINUTE) GROUP BY window_end, k",
        ),
        (
            "SELECT window_start AS s, window_end AS e, GROUPING(window_end, window_start) AS g, MAX(n) AS m FROM HOP(clicks, at, INTERVAL '3' MINUTE, INTERVAL '10' MINUTE) \
             GROUP BY ROLLUP (window_end, window_start)",
            "SELECT window_start AS s, window_end AS e, 0 AS g, MAX(n) AS m FROM HOP(clicks, at, INTERVAL '3' MINUTE, INTERVAL '10' MINUTE) GROUP BY window_start, window_end \
             UNION ALL SELECT NULL, window_end, 1, MAX(n) FROM HOP(clicks, at, INTERVAL '3' MINUTE, INTERVAL '10' MINUTE) GROUP BY window_end \
             UNION ALL SELECT NULL, NULL, 3, MAX(n) FROM HOP(clicks, at, INTERVAL '3' MINUTE, INTERVAL '10' MINUTE)",
        ),
        (
            "SELECT k, COUNT(DISTINCT n, at) AS a, COUNT(DISTINCT (n, at)) AS b FROM clicks GROUP BY k",
            "SELECT k, COUNT(*) FILTER (WHERE n IS NOT NULL AND at IS NOT NULL) AS a, COUNT(*) AS b FROM (SELECT DISTINCT k, n, at FROM clicks) d GROUP BY k",
        ),
        (
            "SELECT UPPER(k) AS u, SESSION_START(at + INTERVAL '1' SECOND, INTERVAL '2' MINUTE) AS s, SESSION_END(at + INTERVAL '1' SECOND, INTERVAL '2' MINUTE) AS e, COUNT(*) AS n \
             FROM clicks WHERE n > 0 GROUP BY UPPER(k), SESSION(at + INTERVAL '1' SECOND, INTERVAL '2' MINUTE)",
            "SELECT u, window_start AS s, window_end AS e, COUNT(*) AS n \
             FROM SESSION(TABLE (SELECT UPPER(k) AS u, at + INTERVAL '1' SECOND AS s FROM clicks WHERE n > 0), s, u, INTERVAL '2' MINUTE) GROUP BY u, window_start, window_end",
        ),
        (
            "SELECT o.n AS n, l.s AS s, l.c AS c FROM orders o, LATERAL (SELECT SESSION_START(c.at, INTERVAL '2' MINUTE) AS s, COUNT(*) AS c \
             FROM clicks c WHERE c.k = o.k GROUP BY SESSION(c.at, INTERVAL '2' MINUTE)) l",
            "SELECT o.n AS n, l.window_start AS s, l.c AS c FROM orders o \
             JOIN (SELECT k, window_start, COUNT(*) AS c FROM SESSION(clicks, at, k, INTERVAL '2' MINUTE) GROUP BY k, window_start, window_end) l ON l.k = o.k",
        ),
        (
            "SELECT HOP_END(at, INTERVAL '3' MINUTE, INTERVAL '10' MINUTE) AS e, k, GROUPING(k) AS g, COUNT(*) AS n \
             FROM clicks GROUP BY ROLLUP (HOP(at, INTERVAL '3' MINUTE, INTERVAL '10' MINUTE), k)",
            "SELECT window_end AS e, k, 0 AS g, COUNT(*) AS n FROM HOP(clicks, at, INTERVAL '3' MINUTE, INTERVAL '10' MINUTE) GROUP BY window_end, k \
             UNION ALL SELECT window_end, NULL, 1, COUNT(*) FROM HOP(clicks, at, INTERVAL '3' MINUTE, INTERVAL '10' MINUTE) GROUP BY window_end \
             UNION ALL SELECT NULL, NULL, 1, COUNT(*) FROM HOP(clicks, at, INTERVAL '3' MINUTE, INTERVAL '10' MINUTE)",
        ),
        (
            "SELECT window_start AS s, COUNT(*) AS n FROM CUMULATE(clicks, at, INTERVAL '3' MINUTE, INTERVAL '12' MINUTE) \
             GROUP BY GROUPING SETS ((window_start), (window_start, window_end))",
            "SELECT window_start AS s, COUNT(*) AS n FROM CUMULATE(clicks, at, INTERVAL '3' MINUTE, INTERVAL '12' MINUTE) GROUP BY window_start \
             UNION ALL SELECT window_start, COUNT(*) FROM CUMULATE(clicks, at, INTERVAL '3' MINUTE, INTERVAL '12' MINUTE) GROUP BY window_start, window_end",
        ),
        (
            "SELECT k, n FROM (SELECT k, n FROM clicks) c ORDER BY k FETCH FIRST 3 ROWS WITH TIES",
            "SELECT k, n FROM (SELECT k, n, RANK() OVER (ORDER BY k) AS place FROM (SELECT k, n FROM clicks) c) c WHERE place <= 3",
        ),
    ];
    for (short, long) in PAIRS {
        for seed in 0..40 {
            let mut answers = [short, long].map(|sql| check(&format!("seed {seed}"), sql, &mut Random::new(seed)));
            answers.iter_mut().flatten().for_each(|rows| rows.sort_unstable_by_key(|row| format!("{row:?}")));
            assert_eq!(answers[0], answers[1], "seed {seed}: {short}");
        }
    }
}

fn run(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut random = Random::new(seed);
        let sql = relational_sql(&mut random);
        let _ = check(&format!("seed {seed}"), &sql, &mut random);
    }
}

/// A query over random events: as a program, and as one query where it is one. Gives the answer.
fn check(told: &str, sql: &str, random: &mut Random) -> Result<Vec<Vec<Value>>, EvalError> {
    let schema = relational_schema();
    let plan = logical_plan_over(sql, &relational_topics(&schema)).unwrap_or_else(|e| panic!("{told}: {}", e.report(sql)));
    let mut offsets = [0; TOPICS.len()];
    let events = relational_stream(random, 16).into_iter().enumerate().map(|(step, (topic, batch))| {
        let batch = out_of_the_log(&batch, step as i64, offsets[topic]);
        offsets[topic] += batch.num_rows() as i64;
        (TOPICS[topic], batch)
    });
    let events: Vec<(&str, RecordBatch)> = events.collect();
    let mut reference = PlanReference::new(plan.clone());
    events.iter().for_each(|(topic, batch)| reference.push(topic, batch).unwrap());
    let names: Vec<String> = plan.columns().into_iter().map(|(name, _)| name).collect();
    let expected = reference.answer();
    check_key(&plan, &expected, &format!("{told}\n{sql}"));
    let program = plan.program().unwrap_or_else(|e| panic!("{told}: {e}\n{sql}"));
    compare_rows(&names, &expected, &ours(random, &program, &events)).unwrap_or_else(|d| panic!("{told}: {d}\n{sql}\n{plan}"));
    // What jobs keep of a plan over one topic: one query, with what is computed of its answer.
    if let Ok(query) = plan.query() {
        let input = Node::Input { number: 0, columns: plan.columns() };
        let one = Program { inputs: vec![query], finish: Plan::new(input, plan.span.clone()) };
        compare_rows(&names, &expected, &ours(random, &one, &events))
            .unwrap_or_else(|d| panic!("{told}: as one query: {d}\n{sql}\n{plan}"));
    }
    expected
}

/// What is said to tell rows apart does.
fn check_key(plan: &Plan, answer: &Result<Vec<Vec<Value>>, EvalError>, told: &str) {
    let (Some(key), Ok(rows)) = (plan.row_key(), answer) else { return };
    let mut keys = HashSet::new();
    for row in rows {
        let of_row = key.iter().map(|&column| format!("{:?}", row[column])).collect::<Vec<_>>();
        assert!(keys.insert(of_row), "{told}: two rows have the key {key:?} of {row:?}");
    }
}
