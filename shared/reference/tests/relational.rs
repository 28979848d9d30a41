//! The random relational queries are valid and varied, and the two ways in which the reference evaluates those that are flat give the same rows.

use std::collections::BTreeMap;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema};
use twopath_query::arbitrary::{Random, TOPICS, relational_schema, relational_sql, relational_stream, relational_topics};
use twopath_query::{Value, logical_plan_over};
use twopath_reference::{PlanReference, compare_rows};

/// The batch as it comes out of the log, in which it arrived then as the records from `offset` on.
fn out_of_the_log(batch: &RecordBatch, arrival_us: i64, offset: i64) -> RecordBatch {
    let rows = batch.num_rows() as i64;
    let arrival = TimestampMicrosecondArray::from_value(arrival_us, batch.num_rows()).with_timezone("UTC");
    let log: [(&str, ArrayRef); 3] = [
        ("_arrival", std::sync::Arc::new(arrival)),
        ("_partition", std::sync::Arc::new(Int64Array::from_value(0, batch.num_rows()))),
        ("_offset", std::sync::Arc::new(Int64Array::from_iter_values(offset..offset + rows))),
    ];
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    fields.extend(log.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), false)));
    let columns = batch.columns().iter().cloned().chain(log.into_iter().map(|(_, array)| array)).collect();
    RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), columns).unwrap()
}

#[test]
fn random_relational_queries_are_valid_and_varied() {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let runs = 1_000;
    let schema = relational_schema();
    for seed in 0..runs {
        let mut random = Random::new(seed);
        let sql = relational_sql(&mut random);
        let plan = logical_plan_over(&sql, &relational_topics(&schema)).unwrap_or_else(|e| panic!("seed {seed}: {}", e.report(&sql)));
        let mut reference = PlanReference::new(plan.clone());
        let mut offsets = [0; TOPICS.len()];
        for (step, (topic, batch)) in relational_stream(&mut random, 16).iter().enumerate() {
            let rows = out_of_the_log(batch, step as i64, offsets[*topic]);
            offsets[*topic] += batch.num_rows() as i64;
            reference.push(TOPICS[*topic], &rows).unwrap();
        }
        let answer = reference.answer();
        let program = plan.program().unwrap_or_else(|e| panic!("seed {seed}: {e}\n{sql}"));
        let is_flat = program.flat().is_some();
        if is_flat && !sql.contains("LIMIT") {
            // Ties may stand in another order.
            let names: Vec<String> = plan.columns().into_iter().map(|(name, _)| name).collect();
            let ordered = |rows: &Vec<Vec<Value>>| {
                let mut rows = rows.clone();
                rows.sort_by_key(|row| format!("{row:?}"));
                rows
            };
            let by_operators = reference.answer_by_operators();
            compare_rows(
                &names,
                &answer.as_ref().map(ordered).map_err(Clone::clone),
                &by_operators.as_ref().map(ordered).map_err(Clone::clone),
            )
            .unwrap_or_else(|d| panic!("seed {seed}: {d}\n{sql}"));
        }
        let text = plan.to_string();
        let features = [
            ("flat", is_flat),
            ("panes", program.inputs.iter().any(|q| q.panes.is_some())),
            ("several inputs", program.inputs.len() > 1),
            ("error", answer.is_err()),
            ("no rows", answer.as_ref().is_ok_and(Vec::is_empty)),
            ("many rows", answer.as_ref().is_ok_and(|rows| rows.len() > 20)),
            ("join", text.contains(" join")),
            ("full join", text.contains("Full join")),
            ("as-of join", text.contains("as-of join")),
            ("temporal join", text.contains("temporal join")),
            ("over", text.contains("OVER")),
            ("union", text.contains("Union")),
            ("latest", text.contains("Latest")),
            ("hop", text.contains("Window HOP")),
            ("cumulate", text.contains("Window CUMULATE")),
            ("session", text.contains("Window SESSION")),
            ("limit", text.contains("Limit")),
            ("distinct", text.contains("Distinct")),
            ("values", text.contains("Values ")),
        ];
        features.iter().for_each(|(name, is)| *seen.entry(name).or_default() += u64::from(*is));
    }
    let errors = seen.remove("error").unwrap_or(0);
    assert!(errors > 0 && errors * 10 < runs, "{errors} of {runs} queries raise an error");
    for (name, count) in &seen {
        assert!(count * 100 >= runs, "only {count} of {runs} queries have: {name} ({seen:?})");
    }
}
