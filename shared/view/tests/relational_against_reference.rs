//! Queries of every shape against the reference: engines' groups of the flat queries, folded in parts that are merged, and what is computed of their answers.

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
            check(&format!("seed {seed}"), sql, &mut Random::new(seed));
        }
    }
}

fn run(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut random = Random::new(seed);
        let sql = relational_sql(&mut random);
        check(&format!("seed {seed}"), &sql, &mut random);
    }
}

/// A query over random events: as a program, and as one query where it is one.
fn check(told: &str, sql: &str, random: &mut Random) {
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
    let program = plan.program().unwrap_or_else(|e| panic!("{told}: {e}\n{sql}"));
    let expected = reference.answer();
    compare_rows(&names, &expected, &ours(random, &program, &events)).unwrap_or_else(|d| panic!("{told}: {d}\n{sql}\n{plan}"));
    // What jobs keep of a plan over one topic: one query, with what is computed of its answer.
    if let Ok(query) = plan.query() {
        let input = Node::Input { number: 0, columns: plan.columns() };
        let one = Program { inputs: vec![query], finish: Plan::new(input, plan.span.clone()) };
        compare_rows(&names, &expected, &ours(random, &one, &events))
            .unwrap_or_else(|d| panic!("{told}: as one query: {d}\n{sql}\n{plan}"));
    }
}
