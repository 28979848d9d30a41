//! Each query of each workload that is not `flights` (which has tests of its own): every engine answers as the reference does.

#[path = "oracles/engines.rs"]
mod engines;

use twopath_events::workloads::{BUILT_IN, built_in};
use twopath_log::{Durability, Log};
use twopath_query::{TopicSchema, logical_plan_over};
use twopath_reference::compare_rows;

const EVENTS: usize = 4_000;

#[test]
fn every_query_of_the_generated_workloads() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let (mut seen, mut refused, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for name in BUILT_IN {
        let workload = built_in(name, 7).unwrap();
        if name == "flights" {
            continue;
        }
        let topic = log.create_topic(workload.topic_config(2, Durability::None)).unwrap();
        let writer = topic.writer().unwrap();
        (0..EVENTS / 500).for_each(|i| drop(writer.append(&workload.batch(i as u64 * 500, 500)).unwrap()));
        writer.close().unwrap();
        let schema = TopicSchema { name: topic.name(), schema: &workload.schema, key: None, time: workload.time_column.as_deref() };
        for query in &workload.queries {
            let of = format!("{name} {}", query.name);
            let sql = query.sql(2);
            let plan = logical_plan_over(sql, &[schema]).unwrap_or_else(|e| panic!("{of}: {}", e.report(sql)));
            let names: Vec<String> = plan.columns().into_iter().map(|(name, _)| name).collect();
            let program = plan.program().unwrap_or_else(|e| panic!("{of}: {e}"));
            let (rows, job) = (engines::by_kept_rows(&plan, &[&topic]), plan.query().ok());
            let expected = engines::by_reference(plan, &[&topic]);
            if let Some(got) = rows {
                compare_rows(&names, &expected, &got).unwrap_or_else(|d| panic!("{of}: the rows that differential keeps differ: {d}"));
                kept.push(of.clone());
            }
            assert!(expected.as_ref().is_ok_and(|rows| !rows.is_empty()), "{of}: {expected:?}");
            for engine in engines::ENGINES {
                if let Some(Ok(got)) = job.clone().map(|query| engines::by_job(engine, query, &topic)) {
                    compare_rows(&names, &expected, &got)
                        .unwrap_or_else(|d| panic!("{of}: a job of {engine} differs from the reference: {d}"));
                }
                match engines::by_engine(engine, &program, &[&topic]) {
                    Ok(got) => {
                        compare_rows(&names, &expected, &got).unwrap_or_else(|d| panic!("{of}: {engine} differs from the reference: {d}"))
                    }
                    Err(_) => refused.push(format!("{of} by {engine}")),
                }
            }
            seen.push(of);
        }
    }
    assert!(seen.len() >= 31, "{seen:?}");
    assert!(refused.is_empty(), "{refused:?}");
    let joined = ["q3", "q4", "q5", "q6", "q7", "q8", "q9", "q13", "q18", "q19", "q20"].map(|query| format!("nexmark {query}"));
    let earnest =
        ["by_age", "by_maker", "by_last_wind", "carry_over", "by_wind", "by_time_zone"].map(|query| format!("departures {query}"));
    assert!(joined.iter().chain(&earnest).all(|query| kept.contains(query)), "differential keeps the rows of {kept:?} alone");
}
