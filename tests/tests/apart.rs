//! Several forms of one topic that a column tells apart are kept as one flat query: by every engine, over random events, and beside the rows that differential keeps.

#[path = "oracles/engines.rs"]
mod engines;

use twopath_log::{Durability, Log, PartitionBy, TopicConfig};
use twopath_query::arbitrary::{Random, relational_schema, relational_stream};
use twopath_query::{TopicSchema, logical_plan_over};
use twopath_reference::compare_rows;

/// Over `clicks (k, n, at)`; the forms of the last are not told apart.
const QUERIES: [&str; 9] = [
    // Groups beside rows, of which some are alike.
    "SELECT a.n, a.c, b.at FROM (SELECT n, COUNT(*) AS c FROM clicks WHERE k = 'a' GROUP BY n) a JOIN (SELECT n, at FROM clicks WHERE k = 'b') b ON a.n = b.n",
    "SELECT b.n, b.at, a.s FROM (SELECT n, at FROM clicks WHERE 'b' = k AND n > 0) b
     LEFT JOIN (SELECT n + 1 AS m, SUM(n) AS s, MAX(at) AS last FROM clicks WHERE k = 'a' GROUP BY n + 1 HAVING COUNT(*) > 1) a ON a.m = b.n",
    "SELECT a.c, b.d FROM (SELECT n % 2 AS r, COUNT(*) AS c FROM clicks WHERE k = 'a' GROUP BY n % 2) a
     FULL JOIN (SELECT n % 2 AS r, COUNT(DISTINCT n) AS d, AVG(n) AS mean FROM clicks WHERE k = 'c' GROUP BY n % 2) b ON a.r = b.r",
    "SELECT kind, COUNT(*) AS groups, SUM(c) AS n FROM (SELECT 'a' AS kind, n, COUNT(*) AS c FROM clicks WHERE k = 'a' GROUP BY n
     UNION ALL SELECT 'd' AS kind, n, 1 AS c FROM clicks WHERE k = 'd') both GROUP BY kind",
    "SELECT DISTINCT a.n FROM (SELECT DISTINCT n FROM clicks WHERE k = 'a') a JOIN (SELECT n, MIN(at) AS first FROM clicks WHERE k = 'b' GROUP BY n) b ON a.n >= b.n",
    // What a form computes fails in rows of the other alone.
    "SELECT a.q, b.c FROM (SELECT 12 / n AS q, COUNT(*) AS c FROM clicks WHERE k = 'a' AND n <> 0 GROUP BY 12 / n) a
     JOIN (SELECT n, COUNT(*) AS c FROM clicks WHERE k = 'b' GROUP BY n) b ON a.q = b.n",
    "SELECT a.n, b.c, c.at FROM (SELECT n, MAX(at) AS last FROM clicks WHERE k = 'a' GROUP BY n) a
     JOIN (SELECT n, COUNT(*) AS c FROM clicks WHERE k = 'b' GROUP BY n) b ON a.n = b.n JOIN (SELECT n, at FROM clicks WHERE k = 'c') c ON c.n = a.n",
    "SELECT a.n, p.at FROM (SELECT n, COUNT(*) AS c FROM clicks WHERE k = 'a' GROUP BY n) a JOIN
     (SELECT n, at FROM (SELECT n, at, ROW_NUMBER() OVER (PARTITION BY n ORDER BY at DESC) AS place FROM clicks WHERE k = 'b') ranked WHERE place = 1) p ON a.n = p.n",
    "SELECT a.n, a.c, b.at FROM (SELECT n, COUNT(*) AS c FROM clicks WHERE k = 'a' GROUP BY n) a JOIN (SELECT n, at FROM clicks WHERE n > 1) b ON a.n = b.n",
];

/// What is accepted can be stored: so many forms would nest too deeply.
#[test]
fn too_many_forms_are_not_kept_as_one() {
    let form = |i: usize| format!("SELECT 'x{i}' AS w, n, COUNT(*) AS c FROM clicks WHERE k = 'x{i}' GROUP BY n");
    let query = |forms: usize| {
        let sql = (0..forms).map(form).collect::<Vec<_>>().join(" UNION ALL ");
        let schema = relational_schema();
        let plan = logical_plan_over(&sql, &[TopicSchema { name: "clicks", schema: &schema, key: None, time: None }]).unwrap();
        plan.query().ok().filter(|query| query.whole.is_some())
    };
    assert!(query(5).is_some());
    for forms in [20, 40, 60, 100] {
        if let Some(query) = query(forms) {
            let stored = serde_json::to_vec(&query).unwrap();
            assert_eq!(serde_json::from_slice::<twopath_query::Query>(&stored).unwrap(), query, "{forms} forms");
        }
    }
}

#[test]
fn forms_of_one_topic_are_kept_as_one() {
    let schema = relational_schema();
    for seed in 0..25 {
        let mut random = Random::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let config = TopicConfig {
            partitions: 1 + random.below(3) as u32,
            partition_by: PartitionBy::RoundRobin,
            time_column: Some("at".to_owned()),
            durability: Durability::None,
            ..TopicConfig::new("clicks", schema.clone())
        };
        let topic = Log::open(dir.path()).unwrap().create_topic(config).unwrap();
        let writer = topic.writer().unwrap();
        for (_, batch) in relational_stream(&mut random, 60) {
            writer.append(&batch).unwrap();
        }
        writer.close().unwrap();
        for (number, sql) in QUERIES.into_iter().enumerate() {
            let plan = logical_plan_over(sql, &[TopicSchema { name: "clicks", schema: &schema, key: None, time: Some("at") }]).unwrap();
            let names: Vec<String> = plan.columns().into_iter().map(|(name, _)| name).collect();
            let query = plan.query().unwrap();
            assert_eq!(query.whole.is_some(), number + 1 < QUERIES.len(), "{sql}");
            let kept = engines::by_kept_rows(&plan, &[&topic]).expect("differential keeps them");
            let expected = engines::by_reference(plan, &[&topic]);
            compare_rows(&names, &expected, &kept).unwrap_or_else(|d| panic!("seed {seed}: kept rows: {d}\n{sql}"));
            for engine in engines::ENGINES {
                let got = engines::by_job(engine, query.clone(), &topic).unwrap_or_else(|e| panic!("{engine}: {e}"));
                compare_rows(&names, &expected, &got).unwrap_or_else(|d| panic!("seed {seed}: {engine}: {d}\n{sql}"));
            }
        }
    }
}
