//! SQL to the logical query: what is read, and as what.

use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
use twopath_query::{DataType, Query, logical_plan, parse};

fn schema() -> Schema {
    let time = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Schema::new(vec![
        Field::new("t", time, false),
        Field::new("origin", Arrow::Utf8, false),
        Field::new("tail", Arrow::Utf8View, true),
        Field::new("delay", Arrow::Int32, true),
        Field::new("distance", Arrow::Float64, true),
        Field::new("cancelled", Arrow::Boolean, false),
        Field::new("Air Time", Arrow::UInt16, true),
        Field::new("day", Arrow::Date32, true),
        Field::new("took", Arrow::Duration(TimeUnit::Second), true),
    ])
}

fn query(sql: &str) -> Query {
    parse(sql, "flights", &schema()).unwrap_or_else(|e| panic!("{}", e.report(sql)))
}

/// The canonical text of a query.
fn canonical(sql: &str) -> String {
    query(sql).to_string()
}

/// The canonical text of one output expression of a query without grouping.
fn expr(sql: &str) -> String {
    let q = query(&format!("SELECT {sql} FROM flights"));
    let names: Vec<String> = q.fields.iter().map(|f| f.name.clone()).collect();
    q.keys[0].expr.named(&names).to_string()
}

fn exprs(all: &[&str]) -> String {
    all.iter().map(|e| format!("{e}  →  {}\n", expr(e))).collect()
}

#[test]
fn short_forms_mean_the_long_ones() {
    let same = |short: &str, long: &str| assert_eq!(canonical(short), canonical(long));
    same(
        "SELECT origin, delay / 2 AS half, COUNT(*), 1 AS one, MAX(delay) + 1 AS most FROM flights GROUP BY ALL HAVING COUNT(*) > 1",
        "SELECT origin, delay / 2 AS half, COUNT(*), 1 AS one, MAX(delay) + 1 AS most FROM flights GROUP BY origin, delay / 2 HAVING COUNT(*) > 1",
    );
    same("SELECT COUNT(*) FROM flights GROUP BY ALL", "SELECT COUNT(*) FROM flights");
    same("SELECT origin, tail FROM flights GROUP BY ALL", "SELECT origin, tail FROM flights GROUP BY origin, tail");
    let windows = "FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR)";
    same(
        &format!("SELECT window_start, window_end, origin, COUNT(*) AS c {windows} GROUP BY ALL"),
        &format!("SELECT window_start, window_end, origin, COUNT(*) AS c {windows} GROUP BY window_start, window_end, origin"),
    );
    same(
        &format!("SELECT window_time, COUNT(*) AS c {windows} GROUP BY window_start, window_end, window_time"),
        &format!(
            "SELECT window_end + INTERVAL '-1' MILLISECOND AS window_time, COUNT(*) AS c {windows} GROUP BY window_start, window_end, window_end + INTERVAL '-1 ms'"
        ),
    );
    same("SELECT * EXCLUDE (t, \"Air Time\", day, took, Tail) FROM flights", "SELECT origin, delay, distance, cancelled FROM flights");
    same("SELECT f.* EXCLUDE t FROM flights f", "SELECT origin, tail, delay, distance, cancelled, \"Air Time\", day, took FROM flights");
    same("SELECT t + INTERVAL '500' MILLISECOND AS later FROM flights", "SELECT t + INTERVAL '0.5' SECOND AS later FROM flights");
}

#[test]
fn conversions_are_written_out() {
    insta::assert_snapshot!(exprs(&[
        "delay + 1.5",
        "distance > delay",
        "delay / 2",
        "COALESCE(delay, 0.5)",
        "CASE WHEN cancelled THEN 1 ELSE 2.5 END",
        "NULLIF(delay, 1.5)",
        "distance::int",
        "CAST(delay AS BOOLEAN)",
        "CAST(cancelled AS BIGINT)",
        "CAST(t AS DATE)",
        "CAST('7' AS BIGINT)",
        "day - t",
        "INTERVAL '1' DAY + t",
        "- took",
        "t > '2013-01-01'",
        "t + '90 minutes'",
        "took < '1 hour'",
        "delay = NULL",
        "NULL",
        "'x'",
        "-5",
        "- (5)",
        "\"Air Time\"",
        "flights.delay",
        "DELAY",
    ]), @r###"
    delay + 1.5  →  (CAST(delay AS double precision) + 1.5)
    distance > delay  →  (distance > CAST(delay AS double precision))
    delay / 2  →  (delay / 2)
    COALESCE(delay, 0.5)  →  CASE WHEN (CAST(delay AS double precision) IS NOT NULL) THEN CAST(delay AS double precision) ELSE 0.5 END
    CASE WHEN cancelled THEN 1 ELSE 2.5 END  →  CASE WHEN cancelled THEN 1.0 ELSE 2.5 END
    NULLIF(delay, 1.5)  →  CASE WHEN (CAST(delay AS double precision) = 1.5) THEN CAST(NULL AS bigint) ELSE delay END
    distance::int  →  CAST(distance AS bigint)
    CAST(delay AS BOOLEAN)  →  (delay <> 0)
    CAST(cancelled AS BIGINT)  →  CAST(cancelled AS bigint)
    CAST(t AS DATE)  →  DATE_TRUNC('day', t)
    CAST('7' AS BIGINT)  →  7
    day - t  →  (day - t)
    INTERVAL '1' DAY + t  →  (t + INTERVAL '24:00:00')
    - took  →  (INTERVAL '00:00:00' - took)
    t > '2013-01-01'  →  (t > TIMESTAMP '2013-01-01 00:00:00')
    t + '90 minutes'  →  (t + INTERVAL '01:30:00')
    took < '1 hour'  →  (took < INTERVAL '01:00:00')
    delay = NULL  →  (delay = CAST(NULL AS bigint))
    NULL  →  CAST(NULL AS text)
    'x'  →  'x'
    -5  →  -5
    - (5)  →  (- 5)
    "Air Time"  →  Air Time
    flights.delay  →  delay
    DELAY  →  delay
    "###);
}

#[test]
fn short_forms_become_few_kinds() {
    insta::assert_snapshot!(exprs(&[
        "delay BETWEEN 1 AND 3",
        "delay NOT BETWEEN 1 AND 3",
        "origin IN ('JFK')",
        "delay NOT IN (1, 2.5, NULL)",
        "COALESCE(tail, origin, '?')",
        "COALESCE(NULL)",
        "NULLIF(origin, '')",
        "ABS(delay)",
        "CASE origin WHEN 'JFK' THEN 1 WHEN 'LGA' THEN 2 END",
        "delay IS DISTINCT FROM 1",
        "delay IS NOT DISTINCT FROM NULL",
        "cancelled IS NOT TRUE",
        "cancelled IS UNKNOWN",
        "EXTRACT(DOW FROM t)",
        "DATE_TRUNC('Hour', t)",
        "NOT cancelled AND (delay > 1 OR delay < 0)",
    ]), @r###"
    delay BETWEEN 1 AND 3  →  ((delay >= 1) AND (delay <= 3))
    delay NOT BETWEEN 1 AND 3  →  (NOT ((delay >= 1) AND (delay <= 3)))
    origin IN ('JFK')  →  (origin = 'JFK')
    delay NOT IN (1, 2.5, NULL)  →  (NOT ((CAST(delay AS double precision) = 1.0) OR ((CAST(delay AS double precision) = 2.5) OR (CAST(delay AS double precision) = CAST(NULL AS double precision)))))
    COALESCE(tail, origin, '?')  →  CASE WHEN (tail IS NOT NULL) THEN tail WHEN (origin IS NOT NULL) THEN origin ELSE '?' END
    COALESCE(NULL)  →  CAST(NULL AS text)
    NULLIF(origin, '')  →  CASE WHEN (origin = '') THEN CAST(NULL AS text) ELSE origin END
    ABS(delay)  →  CASE WHEN (delay < 0) THEN (- delay) ELSE delay END
    CASE origin WHEN 'JFK' THEN 1 WHEN 'LGA' THEN 2 END  →  CASE WHEN (origin = 'JFK') THEN 1 WHEN (origin = 'LGA') THEN 2 END
    delay IS DISTINCT FROM 1  →  CASE WHEN (delay IS NULL) THEN (1 IS NOT NULL) WHEN (1 IS NULL) THEN true ELSE (delay <> 1) END
    delay IS NOT DISTINCT FROM NULL  →  CASE WHEN (delay IS NULL) THEN (CAST(NULL AS bigint) IS NULL) WHEN (CAST(NULL AS bigint) IS NULL) THEN false ELSE (delay = CAST(NULL AS bigint)) END
    cancelled IS NOT TRUE  →  CASE WHEN cancelled THEN false ELSE true END
    cancelled IS UNKNOWN  →  (cancelled IS NULL)
    EXTRACT(DOW FROM t)  →  EXTRACT(DOW FROM t)
    DATE_TRUNC('Hour', t)  →  DATE_TRUNC('hour', t)
    NOT cancelled AND (delay > 1 OR delay < 0)  →  ((NOT cancelled) AND ((delay > 1) OR (delay < 0)))
    "###);
}

#[test]
fn queries() {
    let all = [
        "SELECT * FROM flights",
        "SELECT f.* FROM flights AS f LIMIT 10",
        "SELECT COUNT(*) FROM flights",
        "SELECT COUNT(1), COUNT(NULL), COUNT(delay) FROM flights",
        "SELECT origin, COUNT(*) AS n, AVG(delay), MAX(delay) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR) GROUP BY origin, window_start, window_end HAVING COUNT(*) > 3 ORDER BY n DESC, origin LIMIT 5",
        "SELECT window_end, SUM(delay) / COUNT(*) FROM tumble(flights, DESCRIPTOR(t), INTERVAL '15 minutes') x GROUP BY window_end",
        "SELECT * FROM TUMBLE(TABLE flights, DESCRIPTOR(day), INTERVAL '1' DAY)",
        "SELECT DATE_TRUNC('day', t) AS d, COUNT(DISTINCT tail), APPROX_COUNT_DISTINCT(tail), APPROX_QUANTILE(delay, 0.9) FROM flights GROUP BY d",
        "SELECT origin AS delay, COUNT(*) FROM flights GROUP BY delay, origin",
        "SELECT delay % 2, COUNT(*) FROM flights GROUP BY 1 ORDER BY 2 DESC NULLS LAST, delay % 2 NULLS FIRST",
        "SELECT CASE WHEN delay > 15 THEN 'late' ELSE 'ok' END AS state, COUNT(*) FILTER (WHERE cancelled), SUM(delay) FILTER (WHERE NOT cancelled) FROM flights WHERE origin <> 'EWR' GROUP BY state",
        "SELECT delay + 1 FROM flights GROUP BY delay HAVING delay > 2 ORDER BY -delay",
        "SELECT 1 FROM flights HAVING COUNT(*) > 5",
        "SELECT origin FROM flights ORDER BY t DESC",
        "SELECT COUNT(*) FROM flights GROUP BY origin, origin;",
    ];
    let text: String = all.iter().map(|sql| format!("{sql}\n  →  {}\n", canonical(sql))).collect();
    insta::assert_snapshot!(text, @r###"
    SELECT * FROM flights
      →  SELECT t AS t, origin AS origin, tail AS tail, delay AS delay, distance AS distance, cancelled AS cancelled, "Air Time" AS "Air Time", day AS day, took AS took FROM flights
    SELECT f.* FROM flights AS f LIMIT 10
      →  SELECT t AS t, origin AS origin, tail AS tail, delay AS delay, distance AS distance, cancelled AS cancelled, "Air Time" AS "Air Time", day AS day, took AS took FROM flights LIMIT 10
    SELECT COUNT(*) FROM flights
      →  SELECT COUNT(*) AS count FROM flights
    SELECT COUNT(1), COUNT(NULL), COUNT(delay) FROM flights
      →  SELECT COUNT(*) AS count, COUNT(CAST(NULL AS text)) AS count, COUNT(delay) AS count FROM flights
    SELECT origin, COUNT(*) AS n, AVG(delay), MAX(delay) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR) GROUP BY origin, window_start, window_end HAVING COUNT(*) > 3 ORDER BY n DESC, origin LIMIT 5
      →  SELECT origin AS origin, COUNT(*) AS n, AVG(delay) AS avg, MAX(delay) AS max FROM flights GROUP BY origin, WINDOW_START(t, INTERVAL '01:00:00') HAVING (COUNT(*) > 3) ORDER BY COUNT(*) DESC NULLS FIRST, origin ASC NULLS LAST LIMIT 5
    SELECT window_end, SUM(delay) / COUNT(*) FROM tumble(flights, DESCRIPTOR(t), INTERVAL '15 minutes') x GROUP BY window_end
      →  SELECT (WINDOW_START(t, INTERVAL '00:15:00') + INTERVAL '00:15:00') AS window_end, (SUM(delay) / CAST(COUNT(*) AS numeric(38,0))) AS "?column?" FROM flights GROUP BY WINDOW_START(t, INTERVAL '00:15:00')
    SELECT * FROM TUMBLE(TABLE flights, DESCRIPTOR(day), INTERVAL '1' DAY)
      →  SELECT t AS t, origin AS origin, tail AS tail, delay AS delay, distance AS distance, cancelled AS cancelled, "Air Time" AS "Air Time", day AS day, took AS took, WINDOW_START(day, INTERVAL '24:00:00') AS window_start, (WINDOW_START(day, INTERVAL '24:00:00') + INTERVAL '24:00:00') AS window_end FROM flights
    SELECT DATE_TRUNC('day', t) AS d, COUNT(DISTINCT tail), APPROX_COUNT_DISTINCT(tail), APPROX_QUANTILE(delay, 0.9) FROM flights GROUP BY d
      →  SELECT DATE_TRUNC('day', t) AS d, COUNT(DISTINCT tail) AS count, APPROX_COUNT_DISTINCT(tail) AS approx_count_distinct, APPROX_QUANTILE(delay, 0.9) AS approx_quantile FROM flights GROUP BY DATE_TRUNC('day', t)
    SELECT origin AS delay, COUNT(*) FROM flights GROUP BY delay, origin
      →  SELECT origin AS delay, COUNT(*) AS count FROM flights GROUP BY delay, origin
    SELECT delay % 2, COUNT(*) FROM flights GROUP BY 1 ORDER BY 2 DESC NULLS LAST, delay % 2 NULLS FIRST
      →  SELECT (delay % 2) AS "?column?", COUNT(*) AS count FROM flights GROUP BY (delay % 2) ORDER BY COUNT(*) DESC NULLS LAST, (delay % 2) ASC NULLS FIRST
    SELECT CASE WHEN delay > 15 THEN 'late' ELSE 'ok' END AS state, COUNT(*) FILTER (WHERE cancelled), SUM(delay) FILTER (WHERE NOT cancelled) FROM flights WHERE origin <> 'EWR' GROUP BY state
      →  SELECT CASE WHEN (delay > 15) THEN 'late' ELSE 'ok' END AS state, COUNT(CASE WHEN cancelled THEN 1 END) AS count, SUM(CASE WHEN (NOT cancelled) THEN delay END) AS sum FROM flights WHERE (origin <> 'EWR') GROUP BY CASE WHEN (delay > 15) THEN 'late' ELSE 'ok' END
    SELECT delay + 1 FROM flights GROUP BY delay HAVING delay > 2 ORDER BY -delay
      →  SELECT (delay + 1) AS "?column?" FROM flights GROUP BY delay HAVING (delay > 2) ORDER BY (- delay) ASC NULLS LAST
    SELECT 1 FROM flights HAVING COUNT(*) > 5
      →  SELECT 1 AS "?column?" FROM flights HAVING (COUNT(*) > 5)
    SELECT origin FROM flights ORDER BY t DESC
      →  SELECT origin AS origin FROM flights ORDER BY t DESC NULLS FIRST
    SELECT COUNT(*) FROM flights GROUP BY origin, origin;
      →  SELECT COUNT(*) AS count FROM flights GROUP BY origin
    "###);
}

#[test]
fn shapes() {
    let global = query("SELECT COUNT(*) FROM flights");
    assert!(global.is_global() && !global.rows);
    let rows = query("SELECT origin, origin AS again FROM flights ORDER BY delay");
    assert!(rows.rows && !rows.is_global());
    assert_eq!((rows.keys.len(), rows.output.len(), rows.aggregates.len()), (2, 2, 1), "the ORDER BY column is a key of its own");
    let once = query("SELECT SUM(delay) FROM flights HAVING SUM(delay) > 1 ORDER BY SUM(delay)");
    assert_eq!(once.aggregates.len(), 1, "equal aggregates are computed once");
    let names: Vec<String> = query("SELECT origin, COUNT(*), delay % 2, AVG(delay) AS \"A\" FROM flights GROUP BY 1, 3")
        .output
        .into_iter()
        .map(|o| o.name)
        .collect();
    assert_eq!(names, ["origin", "count", "?column?", "A"]);
    assert_eq!(query("SELECT SUM(distance) FROM flights WHERE cancelled GROUP BY origin").columns_read(), [1, 4, 5]);
}

#[test]
fn the_logs_own_columns_stand_behind_the_topics() {
    let q = query(
        "SELECT _offset, origin FROM flights WHERE _arrival > '2026-01-01' AND f._partition = 1".replace("flights", "flights f").as_str(),
    );
    assert_eq!((q.columns_read(), q.reads_log_columns()), (vec![1, 9, 10, 11], true));
    assert_eq!(q.whole_rows(), (0..12).collect::<Vec<_>>());
    assert_eq!([9, 10, 11].map(|i| q.column_type(i)), [DataType::Timestamp, DataType::Int, DataType::Int]);
    let text = canonical("SELECT _partition, MAX(_offset) FROM flights GROUP BY _partition");
    assert_eq!(text, "SELECT _partition AS _partition, MAX(_offset) AS max FROM flights GROUP BY _partition");
    assert_eq!(canonical(&text), text);

    // They are not part of *, through a window and a subquery neither, unless they are named.
    let all = query("SELECT * FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR)");
    assert_eq!((all.output.len(), all.reads_log_columns(), all.whole_rows().len()), (11, false, 9));
    let windowed =
        query("SELECT window_start, MIN(_arrival) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR) GROUP BY window_start");
    assert_eq!(windowed.columns_read(), [0, 9]);
    assert_eq!(query("SELECT o + 1 FROM (SELECT _offset AS o FROM flights) s").columns_read(), [11]);
    let hidden = parse("SELECT _offset FROM (SELECT * FROM flights) s", "flights", &schema()).unwrap_err();
    assert!(hidden.message.contains("has no column '_offset'"), "{}", hidden.message);

    // A topic's own column of that name is meant.
    let own = Schema::new(vec![Field::new("_offset", Arrow::Utf8, false)]);
    assert_eq!(parse("SELECT _offset FROM t", "t", &own).unwrap().columns_read(), [0]);
}

#[test]
fn first_and_last_values_look_at_places_too() {
    let q = query("SELECT FIRST_VALUE(delay) FROM flights");
    assert_eq!(q.columns_read(), [3, 9, 10, 11]);
    let texts = [
        "FIRST_VALUE(delay)",
        "LAST_VALUE(origin) IGNORE NULLS",
        "LAST_VALUE(t) FILTER (WHERE (NOT cancelled)) IGNORE NULLS",
        "CORR(distance, distance)",
    ];
    for text in texts {
        let once = canonical(&format!("SELECT {text} AS v FROM flights"));
        assert!(once.contains(text), "{once}");
        assert_eq!(canonical(&once), once);
    }
    let through = query("SELECT LAST(d) FROM (SELECT delay + 1 AS d, _arrival, _partition, _offset FROM flights) s");
    assert_eq!(through.columns_read(), [3, 9, 10, 11]);
    let text = serde_json::to_string(&through).unwrap();
    assert_eq!(serde_json::from_str::<Query>(&text).unwrap(), through);
}

#[test]
fn canonical_text_means_the_same() {
    // Without windows, the canonical text is SQL again, and a fixed point.
    for sql in [
        "SELECT origin, AVG(delay + 0.5) FROM flights WHERE t < '2013-02-01' AND delay IN (1, 2) GROUP BY origin HAVING COUNT(*) > 3 ORDER BY 2 LIMIT 3",
        "SELECT COALESCE(tail, 'it''s'), took + INTERVAL '-90 minutes', delay IS DISTINCT FROM 3, CAST(NULL AS TEXT) FROM flights",
        "SELECT APPROX_QUANTILE(delay, 0.5), COUNT(*) FILTER (WHERE NOT cancelled), MAX(\"Air Time\") FROM flights",
    ] {
        let once = canonical(sql);
        assert_eq!(canonical(&once), once);
    }
}

#[test]
fn queries_survive_json() {
    let q = query("SELECT origin, AVG(delay), SUM(distance * 0.1) FROM flights WHERE t > '1969-01-01' GROUP BY origin");
    let text = serde_json::to_string(&q).unwrap();
    assert_eq!(serde_json::from_str::<Query>(&text).unwrap(), q);
}

/// What is more than flat is a flat query with what is computed of its answer, and reads no more than that needs.
#[test]
fn more_than_flat() {
    let of = |sql: &str| {
        let query = query(sql);
        let finish = query.finish.as_ref().expect("more than flat").to_string();
        let columns: Vec<&str> = query.columns_read().into_iter().map(|i| query.fields.get(i).map_or("log", |f| f.name.as_str())).collect();
        (columns.join(" "), finish)
    };
    let (columns, finish) = of("SELECT MAX(n) FROM (SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin) s");
    assert_eq!((columns.as_str(), finish.as_str()), ("origin", "Project MAX(n) AS max\n  Aggregate MAX(n)\n    Input 0"));
    let top = "SELECT * FROM (SELECT origin, delay, ROW_NUMBER() OVER (PARTITION BY origin ORDER BY delay DESC) AS r FROM flights) s WHERE r <= 2";
    assert!(of(top).1.contains("Over ROW_NUMBER() OVER (PARTITION BY origin ORDER BY delay DESC NULLS FIRST)"), "{:?}", of(top));
    // The topic with itself: rows of just these columns, and a condition that all of it shares.
    let (columns, finish) =
        of("SELECT a.origin, b.delay FROM flights a JOIN flights b ON a.origin = b.origin WHERE a.cancelled AND b.distance > 3");
    assert_eq!(columns, "origin delay distance cancelled");
    assert!(finish.contains("Inner join on (origin = origin)"), "{finish}");
    let all = of("SELECT origin FROM flights UNION ALL SELECT origin FROM flights WHERE cancelled ORDER BY 1 LIMIT 3").1;
    assert!(all.starts_with("Limit 3\n  Sort origin ASC NULLS LAST\n    Union"), "{all}");
}

/// Windows that overlap are groups by pane where they are all that a query groups by; else rows, once for each window.
/// Kept state is known by this text: what is there may not change.
#[test]
fn frames_as_json() {
    let frame = |frame: &str| {
        let sql = format!("SELECT COUNT(*) OVER (ORDER BY {frame}) FROM flights");
        let plan = twopath_query::logical_plan(&sql, "flights", &schema()).unwrap_or_else(|e| panic!("{}", e.report(&sql)));
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<twopath_query::Plan>(&json).unwrap(), plan);
        let json = json.split_once("\"frame\":").unwrap().1.split_once("}]").unwrap().0;
        let text = plan.to_string();
        let text = text.lines().find_map(|line| line.split_once("OVER (ORDER BY ")).unwrap().1;
        format!("{json}  {}\n", text.split_once(" NULLS LAST").unwrap().1)
    };
    let frames = [
        "delay",
        "delay ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        "delay ROWS UNBOUNDED PRECEDING",
        "delay ROWS BETWEEN 3 PRECEDING AND 2 FOLLOWING",
        "delay ROWS BETWEEN CURRENT ROW AND 18446744073709551615 FOLLOWING",
        "delay RANGE UNBOUNDED PRECEDING",
        "delay RANGE 5 PRECEDING",
        "t RANGE INTERVAL '1' HOUR PRECEDING",
        // What these could not say.
        "delay ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING",
        "delay ROWS BETWEEN 0 FOLLOWING AND 2 FOLLOWING",
        "delay ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
        "delay GROUPS UNBOUNDED PRECEDING",
        "delay, origin GROUPS BETWEEN 1 PRECEDING AND 2 FOLLOWING",
        "origin RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
        "delay RANGE BETWEEN UNBOUNDED PRECEDING AND 5 FOLLOWING",
        "t RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND INTERVAL '1 second' PRECEDING",
        "distance RANGE 1.5 PRECEDING",
        "CAST(distance AS NUMERIC(10,2)) RANGE BETWEEN 1.999 FOLLOWING AND 3 FOLLOWING",
    ];
    insta::assert_snapshot!(frames.map(frame).concat(), @r###"
    {"Range":{"before":null}}  )
    "Partition"  )
    {"Rows":{"before":null,"after":0}}   ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    {"Rows":{"before":3,"after":2}}   ROWS BETWEEN 3 PRECEDING AND 2 FOLLOWING)
    {"Rows":{"before":0,"after":18446744073709551615}}   ROWS BETWEEN CURRENT ROW AND 18446744073709551615 FOLLOWING)
    {"Range":{"before":null}}  )
    {"Range":{"before":5}}   RANGE BETWEEN 5 PRECEDING AND CURRENT ROW)
    {"Range":{"before":3600000000}}   RANGE BETWEEN 3600000000 PRECEDING AND CURRENT ROW)
    {"RowsBetween":{"start":-3,"end":-2}}   ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING)
    {"Rows":{"before":0,"after":2}}   ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING)
    {"RowsBetween":{"start":1,"end":null}}   ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
    {"Range":{"before":null}}  )
    {"GroupsBetween":{"start":-1,"end":2}}  , origin ASC NULLS LAST GROUPS BETWEEN 1 PRECEDING AND 2 FOLLOWING)
    {"GroupsBetween":{"start":0,"end":null}}   GROUPS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
    {"RangeBetween":{"start":null,"end":{"Exact":5}}}   RANGE BETWEEN UNBOUNDED PRECEDING AND 5 FOLLOWING)
    {"RangeBetween":{"start":{"Exact":-3600000000},"end":{"Exact":-1000000}}}   RANGE BETWEEN 3600000000 PRECEDING AND 1000000 PRECEDING)
    {"RangeBetween":{"start":{"Float":-1.5},"end":{"Float":0.0}}}   RANGE BETWEEN 1.5 PRECEDING AND CURRENT ROW)
    {"RangeBetween":{"start":{"Exact":200},"end":{"Exact":300}}}   RANGE BETWEEN 2.00 FOLLOWING AND 3.00 FOLLOWING)
    "###);
}

#[test]
fn windows_of_panes() {
    let hop = "FROM HOP(TABLE flights, DESCRIPTOR(t), INTERVAL '6' MINUTE, INTERVAL '15' MINUTE, INTERVAL '1' MINUTE)";
    let flat = query(&format!("SELECT window_start, window_end, origin, COUNT(*) {hop} GROUP BY window_start, window_end, origin"));
    let panes = flat.panes.as_ref().unwrap();
    assert_eq!(panes.key, 0);
    assert_eq!(flat.keys[0].expr.to_string(), "(WINDOW_START((#0 + INTERVAL '-00:01:00'), INTERVAL '00:03:00') + INTERVAL '00:01:00')");
    assert!(flat.finish.is_none());
    assert!(query(&format!("SELECT origin, COUNT(*) {hop} GROUP BY origin")).finish.is_some(), "a row counts once for each of its windows");
    let session = "FROM SESSION(TABLE flights PARTITION BY origin, DESCRIPTOR(t), INTERVAL '5' MINUTE)";
    let flat = query(&format!("SELECT origin, window_end, COUNT(*) {session} GROUP BY origin, window_start, window_end"));
    assert_eq!((flat.keys.len(), flat.aggregates.len()), (2, 3), "least and greatest time stand beside the count");
    assert!(query(&format!("SELECT tail, COUNT(*) {session} GROUP BY tail, window_start")).panes.is_none(), "sessions of other rows");
    assert!(
        query(&format!("SELECT origin, COUNT(*) {session} WHERE cancelled GROUP BY origin, window_start")).panes.is_none(),
        "rows that are left out hold sessions together"
    );
}

/// FLINK's and others' ways to write the same.
#[test]
fn ways_to_write_windows() {
    let same = |a: &str, b: &str| {
        let of = |from: &str| query(&format!("SELECT window_start, origin, COUNT(*) FROM {from} GROUP BY window_start, origin"));
        assert_eq!(of(a), of(b));
    };
    same(
        "TABLE(HOP(TABLE flights, DESCRIPTOR(t), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE))",
        "HOP(DATA => TABLE flights, TIMECOL => DESCRIPTOR(t), SLIDE => INTERVAL '5' MINUTE, SIZE => INTERVAL '10' MINUTE)",
    );
    same(
        "SESSION(TABLE flights PARTITION BY origin, DESCRIPTOR(t), INTERVAL '5' MINUTE)",
        "TABLE(SESSION(TABLE flights PARTITION BY (origin), DESCRIPTOR(t), INTERVAL '5' MINUTE))",
    );
    same(
        "SESSION(TABLE flights PARTITION BY origin, DESCRIPTOR(t), INTERVAL '5' MINUTE)",
        "SESSION(TABLE flights, DESCRIPTOR(t), DESCRIPTOR(origin), INTERVAL '5' MINUTE)",
    );
    same("TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR, INTERVAL '0' HOUR)", "TUMBLE(flights, DESCRIPTOR(t), INTERVAL '1' HOUR)");
    // As RisingWave has it.
    same("TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR)", "TUMBLE(flights, t, INTERVAL '1 hour')");
    same(
        "HOP(TABLE flights, DESCRIPTOR(t), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE)",
        "HOP(flights, t, INTERVAL '5' MINUTE, INTERVAL '10' MINUTE)",
    );
    same(
        "SESSION(TABLE flights PARTITION BY origin, DESCRIPTOR(t), INTERVAL '5' MINUTE)",
        "SESSION(flights, t, origin, INTERVAL '5' MINUTE)",
    );
}

#[test]
fn windows_in_group_by_are_those_in_from() {
    let same = |old: &str, new: &str| assert_eq!(query(old), query(new));
    for (function, lengths) in [
        ("TUMBLE", "INTERVAL '1' HOUR"),
        ("TUMBLE", "INTERVAL '1' MONTH"),
        ("HOP", "INTERVAL '5' MINUTE, INTERVAL '10' MINUTE"),
        ("CUMULATE", "INTERVAL '5' MINUTE, INTERVAL '10' MINUTE"),
    ] {
        same(
            &format!(
                "SELECT {function}_START(t, {lengths}) AS window_start, {function}_END(t, {lengths}) AS window_end, origin, COUNT(*) AS n FROM flights \
                 GROUP BY {function}(t, {lengths}), origin HAVING {function}_END(t, {lengths}) > TIMESTAMP '2013-01-01' ORDER BY {function}_START(t, {lengths})"
            ),
            &format!(
                "SELECT window_start, window_end, origin, COUNT(*) AS n FROM {function}(flights, t, {lengths}) \
                 GROUP BY window_{}, origin HAVING window_end > TIMESTAMP '2013-01-01' ORDER BY window_start",
                if function == "CUMULATE" { "end" } else { "start" }
            ),
        );
    }
    same(
        "SELECT origin, SESSION_START(t, INTERVAL '5' MINUTE) AS window_start, SESSION_END(t, INTERVAL '5' MINUTE) AS window_end, COUNT(*) AS n FROM flights \
         GROUP BY origin, SESSION(t, INTERVAL '5' MINUTE)",
        "SELECT origin, window_start, window_end, COUNT(*) AS n FROM SESSION(flights, t, origin, INTERVAL '5' MINUTE) GROUP BY origin, window_start, window_end",
    );
    let text = |sql: &str| logical_plan(sql, "flights", &schema()).unwrap_or_else(|e| panic!("{}", e.report(sql))).to_string();
    assert_eq!(
        text(
            "SELECT TUMBLE_END(t, INTERVAL '1' HOUR) AS window_end, COUNT(*) AS n FROM WATERMARK(flights, t, INTERVAL '1' MINUTE) \
             GROUP BY TUMBLE(t, INTERVAL '1' HOUR) EMIT ON WINDOW CLOSE"
        ),
        text(
            "SELECT window_end, COUNT(*) AS n FROM TUMBLE(TABLE WATERMARK(TABLE flights, DESCRIPTOR(t), INTERVAL '1' MINUTE), DESCRIPTOR(t), INTERVAL '1' HOUR) \
             GROUP BY window_end EMIT ON WINDOW CLOSE"
        ),
    );
}
