//! Random queries of every relational shape over random streams: the program (flat queries, and the executor above them) answers as the reference does, which evaluates the
//! plan as it was written, operator by operator. A failure names its seed; `SEED=n` runs that one alone.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema};
use twopath_query::arbitrary::{Random, TOPICS, relational_schema, relational_sql, relational_stream, relational_topics};
use twopath_query::plan::Node;
use twopath_query::{EvalError, Plan, Program, Query, Value, logical_plan_over, values};
use twopath_reference::{PlanReference, compare_rows};
use twopath_view::{GroupTable, Selection, answer, finish};

#[test]
fn programs_answer_as_their_plans_do() {
    run(0..2_000);
}

/// For a night: `SEEDS=100000 cargo test --release -p twopath-view --test programs -- --ignored`.
#[test]
#[ignore = "takes as long as one lets it"]
fn many_more() {
    let seeds = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(10_000);
    run(1_000_000..1_000_000 + seeds);
}

fn run(seeds: std::ops::Range<u64>) {
    let only: Option<u64> = std::env::var("SEED").ok().and_then(|s| s.parse().ok());
    let schema = relational_schema();
    let mut failures = Vec::new();
    for seed in seeds.clone().filter(|s| only.is_none_or(|o| o == *s)) {
        let mut random = Random::new(seed);
        let sql = relational_sql(&mut random);
        let plan = logical_plan_over(&sql, &relational_topics(&schema)).unwrap_or_else(|e| panic!("seed {seed}: {}", e.report(&sql)));
        let program = plan.program().unwrap_or_else(|e| panic!("seed {seed}: {e}\n{sql}"));
        let mut topics: [Vec<RecordBatch>; 3] = Default::default();
        for (step, (topic, batch)) in relational_stream(&mut random, 16).iter().enumerate() {
            let before = topics[*topic].iter().map(RecordBatch::num_rows).sum::<usize>();
            topics[*topic].push(out_of_the_log(batch, step as i64, before as i64));
        }
        let mut reference = PlanReference::new(plan.clone());
        for (name, batches) in TOPICS.iter().zip(&topics) {
            batches.iter().for_each(|batch| reference.push(name, batch).unwrap());
        }
        let expected = reference.answer();
        let got = by_program(&program, &topics, &mut random);
        let names: Vec<String> = plan.columns().into_iter().map(|(name, _)| name).collect();
        let mut check = |who: &str, got: Result<Vec<Vec<Value>>, EvalError>| {
            if let Err(difference) = compare_rows(&names, &expected, &got) {
                failures.push(format!("seed {seed}: {who}: {difference}\n{sql}\nreference {expected:?}\n{who} {got:?}"));
            }
        };
        check("program", got);
        // What jobs over several topics keep: one query of each.
        let by_topic = plan.by_topic().unwrap_or_else(|e| panic!("seed {seed}: {e}\n{sql}"));
        assert_eq!(by_topic.inputs.iter().map(|q| q.topic.as_str()).collect::<Vec<_>>(), plan.topics(), "seed {seed}");
        check("one query of each topic", by_program(&by_topic, &topics, &mut random));
        // What jobs keep: one query, with what is computed of its answer.
        if let Ok(query) = plan.query() {
            let whole = Program { finish: input_alone(&plan), inputs: vec![query] };
            check("query", by_program(&whole, &topics, &mut random));
        }
    }
    let count = seeds.end - seeds.start;
    let some = failures.iter().take(3).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {count} programs differ from the reference, such as:\n{some}", failures.len());
}

/// A plan that gives what its one input answers.
fn input_alone(plan: &Plan) -> Plan {
    Plan::new(Node::Input { number: 0, columns: plan.columns() }, plan.span.clone())
}

/// Each input is kept as two tables that are merged when it is asked for, as those of a batch horizon and of what came after it.
fn by_program(program: &Program, topics: &[Vec<RecordBatch>; 3], random: &mut Random) -> Result<Vec<Vec<Value>>, EvalError> {
    let input = |query: &Query, random: &mut Random| {
        let topic = TOPICS.iter().position(|name| *name == query.topic).expect("the query reads one of the topics");
        let batches = &topics[topic];
        let (before, after) = batches.split_at(random.below(batches.len() + 1));
        let tables = [before, after].map(|batches| {
            let mut table = GroupTable::new(query);
            batches.iter().try_for_each(|batch| table.update_from_log(query, batch).map(drop)).map(|()| table)
        });
        let [before, after] = tables;
        answer(query, &[&before?, &after?], &Selection::default())
    };
    let inputs = program.inputs.iter().map(|query| input(query, random)).collect::<Result<Vec<_>, _>>()?;
    values::rows(&finish(program, &inputs)?)
}

/// The batch as it comes out of the log, in which it arrived then as the records from `offset` on.
fn out_of_the_log(batch: &RecordBatch, arrival_us: i64, offset: i64) -> RecordBatch {
    let rows = batch.num_rows();
    let arrival = TimestampMicrosecondArray::from_value(arrival_us, rows).with_timezone("UTC");
    let log: [(&str, ArrayRef); 3] = [
        ("_arrival", Arc::new(arrival)),
        ("_partition", Arc::new(Int64Array::from_value(0, rows))),
        ("_offset", Arc::new(Int64Array::from_iter_values(offset..offset + rows as i64))),
    ];
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    fields.extend(log.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), false)));
    let columns = batch.columns().iter().cloned().chain(log.into_iter().map(|(_, array)| array)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}
