//! What a bad query is told: the message, and the place.

mod shapes;

use arrow_schema::{DataType as Arrow, Field, Schema, TimeUnit};
use twopath_query::parse;

fn schema() -> Schema {
    let time = Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Schema::new(vec![
        Field::new("t", time, false),
        Field::new("origin", Arrow::Utf8, false),
        Field::new("delay", Arrow::Int32, true),
        Field::new("distance", Arrow::Float64, true),
        Field::new("cancelled", Arrow::Boolean, false),
    ])
}

/// `line:column 'the text marked' message`
fn error(sql: &str) -> String {
    match parse(sql, "flights", &schema()) {
        Ok(query) => panic!("no error: {query}"),
        Err(e) => format!("{}:{} '{}' {}", e.line, e.column, &sql[e.span.clone()], e.message),
    }
}

fn errors(sqls: &[&str]) -> String {
    sqls.iter().map(|sql| error(sql) + "\n").collect()
}

/// Errors of expressions, as an output column.
fn expr_errors(exprs: &[&str]) -> String {
    exprs.iter().map(|e| format!("{e}\n    {}\n", error(&format!("SELECT {e} FROM flights")))).collect()
}

#[test]
fn the_report_marks_the_place() {
    let sql = "SELECT origin,\n       COUNT(*) AS n\nFROM flights\nWHERE dealy > 15\nGROUP BY origin";
    let error = parse(sql, "flights", &schema()).unwrap_err();
    insta::assert_snapshot!(error.report(sql), @r###"
    topic flights has no column 'dealy': did you mean 'delay'?
      |
    4 | WHERE dealy > 15
      |       ^^^^^
    "###);
    insta::assert_snapshot!(error, @"line 4, column 7: topic flights has no column 'dealy': did you mean 'delay'?");
}

#[test]
fn names() {
    insta::assert_snapshot!(errors(&[
        "SELECT FROM flights ORDERED",
        "SELECT orgin FROM flights",
        "SELECT nothing_like_it FROM flights",
        "SELECT f.origin FROM flights",
        "SELECT a.b.c FROM flights",
        "SELECT \"Origin\" FROM flights",
        "SELECT origin FROM flihgts",
        "SELECT window_start, COUNT(*) FROM flights GROUP BY window_start",
        "SELECT smu(delay) FROM flights",
        "SELECT frobnicate(delay) FROM flights",
        "SELECT now() FROM flights",
        "SELECT corr(delay) FROM flights",
        "SELECT regr_slope(origin, delay) FROM flights",
    ]), @r###"
    1:1 'SELECT' the query has no output columns: name them after SELECT, or write *
    1:8 'orgin' topic flights has no column 'orgin': did you mean 'origin'?
    1:8 'nothing_like_it' topic flights has no column 'nothing_like_it': its columns are t, origin, delay, distance, cancelled
    1:8 'f' no relation 'f' in this query: FROM names it flights
    1:8 'a.b.c' a column is written as column or relation.column
    1:8 '"Origin"' topic flights has no column 'Origin': did you mean 'origin'? (text stands in single quotes: 'Origin')
    1:20 'flihgts' the topic is flights, not flihgts: write FROM flights
    1:8 'window_start' 'window_start' needs a window: write FROM TUMBLE(TABLE flights, DESCRIPTOR(column), INTERVAL '1' HOUR)
    1:8 'smu' there is no function 'smu': did you mean SUM?
    1:8 'frobnicate' there is no function 'frobnicate': the functions are COUNT, SUM, MIN, MAX, AVG, APPROX_COUNT_DISTINCT, APPROX_QUANTILE, STDDEV, STDDEV_SAMP, STDDEV_POP, VARIANCE, VAR_SAMP, VAR_POP, MEDIAN, PERCENTILE_CONT, PERCENTILE_DISC, BOOL_AND, BOOL_OR, EVERY, BIT_AND, BIT_OR, BIT_XOR, COUNT_IF, MEAN, FIRST_VALUE, LAST_VALUE, FIRST, LAST, CORR, COVAR_POP, COVAR_SAMP, REGR_SLOPE, REGR_INTERCEPT, REGR_R2, REGR_COUNT, REGR_AVGX, REGR_AVGY, REGR_SXX, REGR_SYY, REGR_SXY, STRING_AGG, LISTAGG, GROUP_CONCAT, MIN_BY, MAX_BY, ARG_MIN, ARG_MAX, MODE, ANY_VALUE, COALESCE, IFNULL, NVL, NULLIF, GREATEST, LEAST, ABS, ROUND, FLOOR, CEIL, CEILING, TRUNC, SIGN, MOD, POWER, POW, SQRT, LN, LOG, LOG10, EXP, UPPER, LOWER, INITCAP, LENGTH, CHAR_LENGTH, CHARACTER_LENGTH, TRIM, BTRIM, LTRIM, RTRIM, SUBSTRING, SUBSTR, POSITION, STRPOS, REPLACE, LEFT, RIGHT, SPLIT_PART, STARTS_WITH, REVERSE, REPEAT, LPAD, RPAD, CONCAT, CONCAT_WS, REGEXP_LIKE, REGEXP_SUBSTR, REGEXP_REPLACE, DATE_BIN, DATE_TRUNC, DATE_PART, EXTRACT, YEAR, QUARTER, MONTH, WEEK, DAY, DAYOFMONTH, DAYOFYEAR, HOUR, MINUTE, SECOND, TIMESTAMPADD, TIMESTAMPDIFF, TO_TIMESTAMP, TO_CHAR, DATE_FORMAT, STRFTIME, TIMEZONE
    1:8 'now' there is no function 'now': an answer depends on the log alone, not on the clock or on chance: write a literal
    1:8 'corr' CORR takes other arguments: write CORR(y, x)
    1:19 'origin' double precision is needed in REGR_SLOPE, not text
    "###);
}

#[test]
fn groups_and_aggregates() {
    insta::assert_snapshot!(errors(&[
        "SELECT origin, delay, COUNT(*) FROM flights GROUP BY origin",
        "SELECT origin FROM flights GROUP BY origin ORDER BY delay",
        "SELECT COUNT(*) FROM flights HAVING delay > 3",
        "SELECT delay + SUM(delay) FROM flights",
        "SELECT window_end, COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR) GROUP BY origin",
        "SELECT SUM(COUNT(*)) FROM flights",
        "SELECT origin FROM flights WHERE COUNT(*) > 1",
        "SELECT COUNT(*) FROM flights GROUP BY COUNT(*)",
        "SELECT COUNT(*) AS n FROM flights GROUP BY n",
        "SELECT COUNT(*) AS n FROM flights GROUP BY 2",
        "SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin ORDER BY 3",
        "SELECT origin AS a, delay AS a FROM flights ORDER BY a",
        "SELECT COUNT(*) FROM flights GROUP BY 'x'",
        "SELECT SUM(origin) FROM flights",
        "SELECT AVG(cancelled) FROM flights",
        "SELECT MAX(cancelled) FROM flights",
        "SELECT SUM(*) FROM flights",
        "SELECT MEDIAN(DISTINCT delay) FROM flights",
        "SELECT SUM(delay ORDER BY t) FROM flights",
        "SELECT STRING_AGG(origin) FROM flights",
        "SELECT STRING_AGG(DISTINCT origin, ',' ORDER BY delay) FROM flights",
        "SELECT STRING_AGG(DISTINCT origin, origin) FROM flights",
        "SELECT ARRAY_AGG(tail) FROM flights",
        "SELECT MAX_BY(tail) FROM flights",
        "SELECT MIN_BY(origin, delay) WITHIN GROUP (ORDER BY delay) FROM flights",
        "SELECT SUM(delay) WITHIN GROUP (ORDER BY delay) FROM flights",
        "SELECT MODE(DISTINCT delay) FROM flights",
        "SELECT MODE(cancelled) FROM flights",
        "SELECT LAST_VALUE(delay ORDER BY t) OVER (ORDER BY t) FROM flights",
        "SELECT COUNT() FROM flights",
        "SELECT APPROX_QUANTILE(delay) FROM flights",
        "SELECT APPROX_QUANTILE(delay, 50) FROM flights",
        "SELECT APPROX_QUANTILE(delay, distance) FROM flights",
        "SELECT APPROX_QUANTILE(origin, 0.5) FROM flights",
    ]), @r###"
    1:16 'delay' 'delay' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX(delay)
    1:53 'delay' 'delay' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX(delay)
    1:37 'delay' 'delay' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX(delay)
    1:8 'delay' 'delay' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX(delay)
    1:8 'window_end' 'window_end' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX(window_end)
    1:12 'COUNT' COUNT cannot stand inside another aggregate
    1:34 'COUNT' COUNT cannot stand in WHERE, which sees single rows: use HAVING
    1:39 'COUNT' COUNT cannot stand in GROUP BY: group by columns and expressions of them
    1:44 'n' aggregates cannot stand in GROUP BY: group by columns and expressions of them
    1:44 '2' GROUP BY 2: the select list has the columns 1 to 1
    1:68 '3' ORDER BY 3: the select list has the columns 1 to 2
    1:54 'a' ORDER BY a: two output columns have this name; use the column's number
    1:39 ''x'' a constant in GROUP BY has no effect: name a column, or its number
    1:8 'SUM' SUM over text is not defined: CAST it to BIGINT or DOUBLE PRECISION
    1:8 'AVG' AVG over boolean is not defined: write COUNT(*) FILTER (WHERE c), or aggregate CASE WHEN c THEN 1 ELSE 0 END
    1:8 'MAX' MAX over boolean is not defined: write BOOL_OR(c)
    1:8 'SUM' SUM takes other arguments: write COUNT(*), or SUM(c)
    1:8 'MEDIAN' MEDIAN(DISTINCT ...) is not supported: DISTINCT goes with COUNT, SUM, AVG and STRING_AGG
    1:8 'SUM' ORDER BY is not supported in SUM(...), which gives the same in any order
    1:8 'STRING_AGG' STRING_AGG takes other arguments: write STRING_AGG(c, ',' ORDER BY d)
    1:8 'STRING_AGG' with DISTINCT, texts go by themselves: write STRING_AGG(DISTINCT c, ',' ORDER BY c)
    1:8 'STRING_AGG' with DISTINCT there is one separator: write STRING_AGG(DISTINCT c, ',')
    1:8 'ARRAY_AGG' there is no function 'array_agg': a column holds one value: write STRING_AGG(c, ',' ORDER BY c), or put rows out
    1:8 'MAX_BY' MAX_BY takes other arguments: write MAX_BY(c, d)
    1:8 'MIN_BY' WITHIN GROUP is not supported in MIN_BY(...): write MIN_BY(c, d)
    1:42 'delay' WITHIN GROUP is not supported in SUM(...)
    1:8 'MODE' MODE(DISTINCT ...) is not supported: DISTINCT goes with COUNT, SUM, AVG and STRING_AGG
    1:8 'MODE' MODE over boolean is not defined: write COUNT(*) FILTER (WHERE c), or aggregate CASE WHEN c THEN 1 ELSE 0 END
    1:8 'LAST_VALUE' with OVER the rows of LAST_VALUE go by its ORDER BY: write it there
    1:8 'COUNT' COUNT takes other arguments: write COUNT(*) or COUNT(c)
    1:8 'APPROX_QUANTILE' APPROX_QUANTILE takes other arguments: write APPROX_QUANTILE(c, 0.5)
    1:31 '50' the quantile is a number from 0 to 1: write APPROX_QUANTILE(c, 0.99)
    1:31 'distance' the quantile is a number from 0 to 1: write APPROX_QUANTILE(c, 0.99)
    1:8 'APPROX_QUANTILE' APPROX_QUANTILE over text is not defined: CAST it to BIGINT or DOUBLE PRECISION
    "###);
}

#[test]
fn types() {
    insta::assert_snapshot!(expr_errors(&[
        "origin + 1",
        "TO_CHAR(t, 'YYYY-XX')",
        "TO_CHAR(delay, '999')",
        "TO_CHAR(t, origin)",
        "DATE_FORMAT(t, 'yyyy-MM-ddTHH')",
        "STRFTIME('%Y %Q', t)",
        "t + 1",
        "cancelled * 2",
        "t * INTERVAL '1' HOUR",
        "t + t",
        "delay = 'soon'",
        "origin = 5",
        "t > 'yesterday'",
        "cancelled = 1",
        "NOT delay",
        "delay AND cancelled",
        "CASE WHEN delay THEN 1 END",
        "CASE WHEN cancelled THEN 1 ELSE 'x' END",
        "COALESCE(delay, origin)",
        "- origin",
        "'1' + '2'",
        "ABS(origin)",
        "DATE_TRUNC('fortnight', t)",
        "DATE_TRUNC(origin, t)",
        "DATE_TRUNC('hour', delay)",
        "EXTRACT(TIMEZONE FROM t)",
        "EXTRACT(YEAR FROM INTERVAL '1 day')",
        "CAST(t AS BIGINT)",
        "CAST('x' AS BIGINT)",
        "TIMESTAMP '2013-02-29'",
        "INTERVAL '1 month'",
        "INTERVAL 'soon'",
        "9223372036854775808",
        "1e999",
        "ABS(1, 2)",
        "COALESCE()",
        "TRY_CAST(delay AS TEXT)",
    ]), @r###"
    origin + 1
        1:8 'origin + 1' text + bigint is not defined: turn text into a number with CAST(c AS BIGINT)
    TO_CHAR(t, 'YYYY-XX')
        1:19 ''YYYY-XX'' TO_CHAR knows no 'XX': write TO_CHAR(c, 'YYYY-MM-DD HH24:MI:SS')
    TO_CHAR(delay, '999')
        1:16 'delay' TO_CHAR is of times: write CAST(c AS TEXT), or ROUND(c, 2)
    TO_CHAR(t, origin)
        1:19 'origin' TO_CHAR takes its pattern as it stands: write a text, as in TO_CHAR(c, 'YYYY-MM-DD HH24:MI:SS')
    DATE_FORMAT(t, 'yyyy-MM-ddTHH')
        1:23 ''yyyy-MM-ddTHH'' DATE_FORMAT knows no 'T': write DATE_FORMAT(c, 'yyyy-MM-dd HH:mm:ss') or DATE_FORMAT(c, '%Y-%m-%d %H:%i:%s')
    STRFTIME('%Y %Q', t)
        1:17 ''%Y %Q'' STRFTIME knows no '%Q': write STRFTIME(c, '%Y-%m-%d %H:%M:%S')
    t + 1
        1:8 't + 1' timestamp + bigint is not defined: add an interval, as in c + INTERVAL '1 day'
    cancelled * 2
        1:8 'cancelled * 2' boolean * bigint is not defined: turn a truth value into a number with CASE WHEN c THEN 1 ELSE 0 END
    t * INTERVAL '1' HOUR
        1:8 't * INTERVAL '1'' timestamp * interval is not defined: turn the interval into seconds with EXTRACT(EPOCH FROM ...) first
    t + t
        1:8 't + t' timestamp + timestamp is not defined
    delay = 'soon'
        1:16 ''soon'' 'soon' is not a bigint: write a whole number that fits 64 bits, such as 42
    origin = 5
        1:17 '5' text and bigint cannot be compared by =: CAST one of them
    t > 'yesterday'
        1:12 ''yesterday'' 'yesterday' is not a timestamp: write TIMESTAMP '2013-01-31 05:15:00' (UTC)
    cancelled = 1
        1:20 '1' boolean and bigint cannot be compared by =: CAST one of them
    NOT delay
        1:12 'delay' boolean is needed after NOT, not bigint: compare it, as in c <> 0
    delay AND cancelled
        1:8 'delay' boolean is needed beside AND, not bigint: compare it, as in c <> 0
    CASE WHEN delay THEN 1 END
        1:18 'delay' boolean is needed after WHEN, not bigint: compare it, as in c <> 0
    CASE WHEN cancelled THEN 1 ELSE 'x' END
        1:40 ''x'' 'x' is not a bigint: write a whole number that fits 64 bits, such as 42
    COALESCE(delay, origin)
        1:24 'origin' bigint and text cannot be given by COALESCE: CAST one of them
    - origin
        1:10 'origin' - needs a number, not text
    '1' + '2'
        1:8 ''1' + '2'' the operands of + have no type: write numbers without quotes, or CAST one
    ABS(origin)
        1:8 'ABS' ABS needs a number, not text
    DATE_TRUNC('fortnight', t)
        1:19 ''fortnight'' 'fortnight' is not a unit of DATE_TRUNC: use millisecond, second, minute, hour, day, week, month, quarter or year
    DATE_TRUNC(origin, t)
        1:19 'origin' the unit of DATE_TRUNC is a literal: write DATE_TRUNC('hour', c)
    DATE_TRUNC('hour', delay)
        1:27 'delay' timestamp is needed as the second argument of DATE_TRUNC, not bigint
    EXTRACT(TIMEZONE FROM t)
        1:30 't' EXTRACT(TIMEZONE ...) is not supported: use MILLENNIUM, CENTURY, DECADE, YEAR, QUARTER, MONTH, WEEK, DAY, DOW, DOY, ISODOW, ISOYEAR, JULIAN, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND or EPOCH
    EXTRACT(YEAR FROM INTERVAL '1 day')
        1:35 ''1 day'' an interval has no YEAR: use DAY, HOUR, MINUTE, SECOND or EPOCH
    CAST(t AS BIGINT)
        1:13 't' timestamp cannot be cast to bigint: write EXTRACT(EPOCH FROM ...) for seconds
    CAST('x' AS BIGINT)
        1:13 ''x'' 'x' is not a bigint: write a whole number that fits 64 bits, such as 42
    TIMESTAMP '2013-02-29'
        1:18 ''2013-02-29'' '2013-02-29' is not a timestamp: write TIMESTAMP '2013-01-31 05:15:00' (UTC)
    INTERVAL '1 month'
        1:17 ''1 month'' a month has no fixed length: write days, as in INTERVAL '30 days', or add it to a timestamp, as in t + INTERVAL '1 month'
    INTERVAL 'soon'
        1:17 ''soon'' 'soon' is not an interval: write a number and a unit, such as INTERVAL '15' MINUTE or INTERVAL '1 day 12 hours'
    9223372036854775808
        1:8 '9223372036854775808' 9223372036854775808 does not fit a 64-bit integer: write 9223372036854775808.0 for a floating number
    1e999
        1:8 '1e999' 1e999 does not fit a 64-bit floating number
    ABS(1, 2)
        1:8 'ABS' ABS does not take 2 arguments: write ABS(a)
    COALESCE()
        1:8 'COALESCE' COALESCE does not take 0 arguments: write COALESCE(a, b, ...)
    TRY_CAST(delay AS TEXT)
        1:17 'delay' only CAST(x AS type) and x::type are supported; guard a CAST that may fail with CASE
    "###);
}

#[test]
fn what_is_not_supported() {
    insta::assert_snapshot!(errors(&[
        "SELECT a.origin FROM flights a JOIN planes p ON a.tail = p.tail",
        "SELECT origin FROM flights, planes",
        "SELECT origin FROM flights LIMIT 1 + 1",
        "SELECT origin FROM flights LIMIT -1",
        "SELECT origin FROM flights FETCH FIRST 5 ROWS WITH TIES",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT origin, GROUPING(delay) FROM flights GROUP BY ROLLUP (origin)",
        "SELECT delay FROM flights GROUP BY CUBE (origin)",
        "SELECT t AT TIME ZONE 'Europe/Berln' FROM flights",
        "SELECT origin ~ 'J(.*' FROM flights",
        "SELECT origin ~ origin FROM flights",
        "SELECT origin SIMILAR TO 'J%' FROM flights",
        "SELECT REGEXP_REPLACE(origin, 'a', 'b', 'x') FROM flights",
        "SELECT REGEXP_LIKE(origin) FROM flights",
        "SELECT (origin, delay) FROM flights",
        "SELECT distance & 1 FROM flights",
        "SELECT delay ^ 2 FROM flights",
        "SELECT COUNT(*) FROM TUMBEL(TABLE flights, DESCRIPTOR(t), INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(t))",
        "SELECT COUNT(*) FROM TUMBLE(TABLE fights, DESCRIPTOR(t), INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, 't', INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(tt), INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(delay), INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '0' HOUR)",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), 60)",
        "SELECT origin FROM flights FOR UPDATE",
        "SELECT origin INTO x FROM flights",
        "SELECT * EXCLUDE (orign) FROM flights",
        "SELECT COUNT(* EXCLUDE (origin)) FROM flights",
        "SELECT origin, delay + COUNT(*) FROM flights GROUP BY ALL",
        "SELECT $1 FROM flights",
        "SELECT origin FROM flights f WHERE EXISTS (SELECT 1 FROM flights g WHERE g.delay > f.delay)",
        "SELECT origin FROM flights f WHERE EXISTS (SELECT COUNT(*) FROM flights g WHERE g.delay = f.delay)",
        "SELECT (SELECT delay FROM flights) FROM flights",
        "SELECT (SELECT delay FROM flights g WHERE g.origin = f.origin LIMIT 2) FROM flights f",
        "SELECT (SELECT delay, origin FROM flights LIMIT 1) FROM flights",
        "SELECT origin FROM flights WHERE delay > ALL (SELECT delay FROM flights)",
        "SELECT origin FROM flights WHERE delay IN (SELECT origin FROM flights)",
        "SELECT origin FROM flights WHERE (origin, delay) IN (SELECT origin FROM flights)",
        "SELECT origin FROM flights EXCEPT ALL SELECT delay FROM flights",
        "SELECT origin FROM flights INTERSECT SELECT delay FROM flights",
        "SELECT a.origin FROM flights a JOIN flights b ON a.delay IN (SELECT delay FROM flights)",
        "SELECT origin, (SELECT COUNT(*) FROM flights g WHERE g.delay = f.delay) FROM flights f GROUP BY origin",
        "SELECT origin FROM flights f WHERE EXISTS (SELECT 1 FROM flights g WHERE g.delay = f.delay AND g.origin IN (SELECT origin FROM flights WHERE delay = f.delay))",
        "SELECT origin FROM flights f WHERE EXISTS (SELECT 1 FROM flights g WHERE g.delay = f.dely)",
        "SELECT DISTINCT ON (origin) origin FROM flights ORDER BY delay",
        "SELECT origin FROM flights QUALIFY delay",
        "SELECT NTILE(0) OVER (ORDER BY delay) FROM flights",
        "SELECT NTH_VALUE(delay, 0) OVER (ORDER BY delay) FROM flights",
        "SELECT NTH_VALUE(delay) OVER (ORDER BY delay) FROM flights",
        "SELECT RANK() OVER (ORDER BY delay) IN (SELECT delay FROM flights) FROM flights",
        "SELECT (SELECT MAX(g.delay - f.delay) FROM flights g WHERE g.origin = f.origin) FROM flights f",
        "SELECT DISTINCT ON () origin FROM flights",
        "SELECT origin FROM flights LIMIT 3 FETCH FIRST 1 ROW ONLY",
        "SELECT origin FROM flights UNION ALL SELECT origin FROM flights FETCH FIRST 1 ROW WITH TIES",
        "(SELECT origin FROM flights) FETCH FIRST 1 ROW ONLY",
        "SELECT origin FROM flights UNION ALL SELECT origin FROM flights FOR UPDATE",
    ]), @r###"
    1:37 'planes' the topic is flights, not planes: write FROM flights
    1:29 'planes' the topic is flights, not planes: write FROM flights
    1:34 '1 + 1' LIMIT takes a whole number, as in LIMIT 10
    1:35 '1' LIMIT takes a whole number, as in LIMIT 10
    1:28 'FETCH' rows tie in an order: write ORDER BY before FETCH FIRST 10 ROWS WITH TIES
    1:22 'SELECT' the query reads no topic: write FROM flights; constants stand beside it, as in FROM flights JOIN (VALUES (1, 'a')) AS v (id, name) ON ...
    1:16 'GROUPING' GROUPING asks about what stands in GROUP BY: write the expression as it stands there
    1:8 'delay' 'delay' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX(delay)
    1:23 ''Europe/Berln'' there is no IANA time zone 'Europe/Berln': did you mean 'Europe/Berlin'?
    1:17 ''J(.*'' this is no regular expression: unclosed group
    1:17 'origin' a regular expression is a text in single quotes, the same for every row
    1:8 'origin' this form of pattern is not supported: write c ~ '^a.*b', a regular expression, or c LIKE 'a%b', with % for any text and _ for one character
    1:8 'REGEXP_REPLACE' the flag x is not supported: write i for any case, g for every match
    1:8 'REGEXP_LIKE' REGEXP_LIKE takes a text and a pattern: write REGEXP_LIKE(c, '^N[0-9]+')
    1:9 'origin, delay' a row of values is compared with another one, and neither put out nor nested: write (a, b) = (1, 'x'), (a, b) IN (...), or two columns
    1:8 'distance' bigint is needed beside &, not double precision
    1:8 'delay' ^ is not supported: write POWER(a, b), or a # b for the bits of one of them
    1:22 'TUMBEL' there is no table function 'TUMBEL' (did you mean TUMBLE?): write TUMBLE(TABLE flights, DESCRIPTOR(column), INTERVAL '1' HOUR)
    1:22 'TUMBLE' TUMBLE takes other arguments: write TUMBLE(TABLE flights, DESCRIPTOR(column), INTERVAL '1' HOUR)
    1:35 'fights' the topic is flights, not fights: write TUMBLE(TABLE flights, DESCRIPTOR(column), INTERVAL '1' HOUR)
    1:44 ''t'' the second argument names the time column: write TUMBLE(TABLE flights, DESCRIPTOR(column), INTERVAL '1' HOUR)
    1:55 'tt' topic flights has no column 'tt': its columns are t, origin, delay, distance, cancelled
    1:55 'delay' a window cuts a timestamp, and this column is bigint
    1:68 ''0'' a window is longer than nothing: write INTERVAL '1' HOUR
    1:59 '60' this argument is the window's size: write TUMBLE(TABLE flights, DESCRIPTOR(column), INTERVAL '1' HOUR)
    1:28 'FOR' FOR UPDATE and the like are not supported: leave it out
    1:15 'INTO' SELECT INTO is not supported: a query only reads
    1:19 'orign' * has no column 'orign' that could be left out: it has t, origin, delay, distance, cancelled
    1:8 'COUNT' a named argument or * is not supported in COUNT(...)
    1:16 'delay' 'delay' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX(delay)
    1:8 '$1' parameters are not supported: write the value itself
    1:74 'g.delay > f.delay' a subquery is compared with the row around it by equalities that are joined by AND, as in WHERE s.key = t.key: write what else there is as a JOIN
    1:44 'SELECT COUNT(*) FROM flights g WHERE g.delay = f.delay' an aggregate without GROUP BY always exists: leave the aggregate out, or add GROUP BY
    1:9 'SELECT delay FROM flights' a subquery in an expression gives one value: aggregate it, as in (SELECT MAX(c) FROM t), or end it with ORDER BY and LIMIT 1; for any of several write IN or EXISTS
    1:9 'SELECT delay FROM flights g WHERE g.origin = f.origin LIMIT 2' a subquery in an expression gives one value: aggregate it, as in (SELECT MAX(c) FROM t), or end it with ORDER BY and LIMIT 1; for any of several write IN or EXISTS
    1:9 'SELECT delay, origin FROM flights LIMIT 1' a subquery in an expression gives one value: it puts out several columns
    1:47 'SELECT delay FROM flights' > ALL is not supported: compare with (SELECT MIN(c) ...) or (SELECT MAX(c) ...)
    1:34 'delay' bigint and text cannot be compared by =: CAST one of them
    1:35 'origin, delay' IN compares 2 values with as many columns: the subquery puts out 1
    1:28 'EXCEPT' column 'delay' of EXCEPT is text and bigint: CAST one of them
    1:28 'INTERSECT' column 'delay' of INTERSECT is text and bigint: CAST one of them
    1:50 'a.delay' a subquery cannot stand here: put it into WHERE, HAVING or the select list
    1:64 'f.delay' 'delay' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX(delay)
    1:150 'f' no relation 'f' in this query: FROM names it flights
    1:84 'f.dely' topic flights has no column 'dely': did you mean 'delay'?
    1:58 'delay' ORDER BY begins with the expressions of DISTINCT ON: put what chooses among the rows of each behind them
    1:36 'delay' boolean is needed in QUALIFY, not bigint: compare it, as in c <> 0
    1:8 'NTILE' NTILE takes a number of parts, from 1 on: write NTILE(4)
    1:25 '0' NTH_VALUE takes the number of a row of the frame, from 1 on: write NTH_VALUE(x, 2)
    1:8 'NTH_VALUE' NTH_VALUE takes a value and the number of a row of the frame: write NTH_VALUE(x, 2)
    1:8 'RANK' what OVER gives is compared with a subquery where it has a name: write FROM (SELECT ..., ROW_NUMBER() OVER (...) AS n FROM t) s WHERE n IN (SELECT ...)
    1:30 'f.delay' 'delay' is of the query around this one, with which a subquery is compared in its WHERE alone: write WHERE s.key = delay there, or a JOIN
    1:8 'DISTINCT' DISTINCT ON names what rows are told apart by: write DISTINCT ON (a)
    1:36 'FETCH' LIMIT and FETCH FIRST say the same: write one of them
    1:65 'FETCH' rows tie in an order: write ORDER BY before FETCH FIRST 10 ROWS WITH TIES
    1:2 'SELECT origin FROM flights' what stands after a query in parentheses (ORDER BY, LIMIT, FETCH FIRST) is not supported: put it within
    1:65 'FOR' FOR UPDATE and the like are not supported: leave it out
    "###);
}

/// Frames of OVER, behind ORDER BY.
#[test]
fn frames() {
    let frames = [
        "delay ROWS UNBOUNDED FOLLOWING",
        "delay ROWS 1 FOLLOWING",
        "delay ROWS BETWEEN CURRENT ROW AND 1 PRECEDING",
        "delay ROWS BETWEEN 1 PRECEDING AND UNBOUNDED PRECEDING",
        "delay ROWS -1 PRECEDING",
        "delay GROUPS BETWEEN 1.5 PRECEDING AND CURRENT ROW",
        "delay RANGE 1.5 PRECEDING",
        "delay RANGE INTERVAL '1' HOUR PRECEDING",
        "distance RANGE BETWEEN CURRENT ROW AND 1e999 FOLLOWING",
        "CAST(distance AS NUMERIC(10,2)) RANGE -1 PRECEDING",
        "CAST(distance AS NUMERIC(10,2)) RANGE 99999999999999999999999999999999999999 PRECEDING",
        "t RANGE 5 PRECEDING",
        "t RANGE INTERVAL '1' MONTH PRECEDING",
        "t RANGE INTERVAL '-1 hour' PRECEDING",
        "origin RANGE 1 PRECEDING",
        "delay, origin RANGE 1 PRECEDING",
    ];
    let sqls = frames.map(|frame| format!("SELECT COUNT(*) OVER (ORDER BY {frame}) FROM flights"));
    insta::assert_snapshot!(errors(&sqls.each_ref().map(|sql| &sql[..])), @r###"
    1:8 'COUNT' a frame does not start at UNBOUNDED FOLLOWING: write BETWEEN UNBOUNDED PRECEDING AND ...
    1:8 'COUNT' a frame that starts behind the row does not end at it: write BETWEEN n FOLLOWING AND m FOLLOWING (m or UNBOUNDED)
    1:8 'COUNT' a frame does not end before it starts: write BETWEEN n PRECEDING AND m PRECEDING (n or UNBOUNDED)
    1:8 'COUNT' a frame does not end at UNBOUNDED PRECEDING: write BETWEEN ... AND UNBOUNDED FOLLOWING
    1:44 '1' ROWS and GROUPS count from 0 on: write a whole number, as in 3 PRECEDING, or UNBOUNDED
    1:53 '1.5' ROWS and GROUPS count from 0 on: write a whole number, as in 3 PRECEDING, or UNBOUNDED
    1:44 '1.5' RANGE over bigint goes by a bigint from 0 on: write 5 PRECEDING
    1:53 ''1'' RANGE over bigint goes by a bigint from 0 on: write 5 PRECEDING
    1:71 '1e999' RANGE over double precision goes by a double precision from 0 on: write 0.5 PRECEDING
    1:71 '1' RANGE over numeric goes by a numeric from 0 on: write 0.5 PRECEDING
    1:70 '99999999999999999999999999999999999999' RANGE over numeric goes by a numeric from 0 on: write 0.5 PRECEDING
    1:40 '5' RANGE over timestamp goes by an interval from 0 on: write INTERVAL '1' HOUR PRECEDING
    1:49 ''1'' a month has no fixed length: write days, as in INTERVAL '30 days' PRECEDING
    1:49 ''-1 hour'' RANGE over timestamp goes by an interval from 0 on: write INTERVAL '1' HOUR PRECEDING
    1:45 '1' RANGE measures no distance over text: count peers with GROUPS
    1:8 'COUNT' a distance of RANGE goes by one ORDER BY expression: write OVER (ORDER BY at RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW), or count peers with GROUPS
    "###);
}

#[test]
fn what_is_not_sql() {
    insta::assert_snapshot!(errors(&[
        "",
        "  -- nothing\n",
        "SELECT",
        "SELECT origin FROM",
        "SELECT origin",
        "SELECT origin FROM flights WHERE (delay > 1",
        "SELECT origin FROM flights WHERE delay >",
        "SELECT origin FORM flights",
        "SELECT 'abc FROM flights",
        "SELECT origin FROM flights GROUP",
        "SELECT origin FROM flights; SELECT delay FROM flights",
        "DELETE FROM flights",
        "INSERT INTO flights VALUES (1)",
        "VALUES (1)",
        "SELECT origin FROM flights nonsense nonsense",
    ]), @r###"
    1:1 '' the query is empty: write SELECT ... FROM ...
    1:1 '  -- nothing
    ' the query is empty: write SELECT ... FROM ...
    1:1 'SELECT' the query has no output columns: name them after SELECT, or write *
    1:19 '' expected identifier, found the end of the text
    1:8 'origin' no column 'origin' is known where nothing is read: write FROM and a topic
    1:44 '' expected ), found the end of the text
    1:41 '' expected an expression, found the end of the text
    1:20 'flights' expected end of statement, found flights
    1:8 '' Unterminated string literal
    1:28 'GROUP' expected end of statement, found GROUP
    1:1 'SELECT origin FROM flights; SELECT delay FROM flights' 2 statements where one SELECT is expected: run them one by one
    1:1 'DELETE' a query starts with SELECT, not with 'DELETE': a topic is only read, its log changes by appending
    1:1 'INSERT' a query starts with SELECT, not with 'INSERT': a topic is only read, its log changes by appending
    1:8 '(1)' the query reads no topic: write FROM flights; constants stand beside it, as in FROM flights JOIN (VALUES (1, 'a')) AS v (id, name) ON ...
    1:37 'nonsense' expected end of statement, found nonsense
    "###);
}

#[test]
fn places_count_characters_and_bytes() {
    let sql = "SELECT '日本', -- é\n  'é' AS \"ü\", wrong\nFROM flights";
    let error = parse(sql, "flights", &schema()).unwrap_err();
    assert_eq!((error.line, error.column, &sql[error.span.clone()]), (2, 15, "wrong"));
}

#[test]
fn columns_that_no_query_can_read_are_named() {
    let list = Arrow::List(Field::new_list_field(Arrow::Int32, true).into());
    let schema = Schema::new(vec![Field::new("t", Arrow::Int32, false), Field::new("parts", list, true)]);
    insta::assert_snapshot!(parse("SELECT t FROM x", "x", &schema).unwrap_err(), @"line 1, column 1: column 'parts' of topic x has the type List(Int32), which queries cannot read: import it as text or a number, or leave it out");
}

#[test]
fn too_long_and_too_deep() {
    // Every level of these short forms copies its argument: the text is short, its expression would be astronomic.
    let form = |before: &str, after: &str| format!("SELECT {}delay{} FROM flights", before.repeat(20), after.repeat(20));
    for sql in [form("ABS(", ")"), form("COALESCE(", ", 1)"), form("NULLIF(", ", 1)"), form("(", " BETWEEN 1 AND 2) IS DISTINCT FROM TRUE")]
    {
        let message = parse(&sql, "flights", &schema()).unwrap_err().message;
        assert!(message.contains("too large") || message.contains("too deeply") || message.contains("cannot be"), "{sql}: {message}");
    }
    let nested = format!("SELECT {}1{} FROM flights", "(".repeat(5000), ")".repeat(5000));
    let chained = format!("SELECT 1{} FROM flights", " + 1".repeat(5000));
    let long = format!("SELECT '{}' FROM flights", "x".repeat(200_000));
    let deep = format!("SELECT {}1{} FROM flights", "(".repeat(500), ")".repeat(500));
    for sql in [nested, chained, long, deep] {
        let message = parse(&sql, "flights", &schema()).unwrap_err().message;
        assert!(message.contains("longer than") || message.contains("nests deeper"), "{message}");
    }
}

#[test]
fn nested_queries_and_new_forms() {
    insta::assert_snapshot!(errors(&[
        "SELECT delai FROM (SELECT delay FROM flights) s",
        "WITH late AS (SELECT delay FROM flights) SELECT delay FROM lade",
        "WITH RECURSIVE x AS (SELECT delay FROM flights) SELECT delay FROM x",
        "SELECT d, d FROM (SELECT delay AS d, distance AS d FROM flights) s",
        "SELECT DISTINCT origin FROM flights ORDER BY delay",
        "SELECT delay AS late FROM flights WHERE late > 3",
        "SELECT origin FROM flights LIMIT 3 OFFSET 1.5",
        "SELECT COUNT(*) FROM TUMBLE(TABLE flights, DESCRIPTOR(t), INTERVAL '2' MONTH)",
        "SELECT origin LIKE 'a!' ESCAPE '!' FROM flights",
        "SELECT UPPER(delay) FROM flights",
        "SELECT ROUND(delay, -2) FROM flights",
        "SELECT delay || 1 FROM flights",
        "SELECT delay + INTERVAL '1 month' FROM flights",
        "SELECT PERCENTILE_CONT(0.5) FROM flights",
        "SELECT FIRST_VALUE(delay) FROM (SELECT delay FROM flights) s",
        "SELECT SUM(delay) IGNORE NULLS FROM flights",
        "SELECT CURRENT_TIMESTAMP FROM flights",
    ]), @r###"
    1:8 'delai' s has no column 'delai': did you mean 'delay'?
    1:60 'lade' there is no query lade in WITH: did you mean late?
    1:1 'WITH' WITH RECURSIVE is not supported: a query reads each event once
    1:8 'd' s has several columns 'd': give them names of their own with AS
    1:46 'delay' SELECT DISTINCT is ordered by what it puts out: name the expression in the select list, or GROUP BY
    1:41 'late' 'late' is a name of the select list, which WHERE comes before: repeat its expression, or name it in a subquery, as in FROM (SELECT ... AS late FROM flights) s WHERE late ...
    1:43 '1.5' OFFSET takes a whole number, as in OFFSET 10
    1:68 ''2'' a window of the calendar is one week, month, quarter or year long: write INTERVAL '1' MONTH
    1:20 ''a!'' the pattern ends with !, which says that the character after it stands for itself: write it twice
    1:14 'delay' text is needed in UPPER, not bigint
    1:8 'ROUND' whole numbers have no digits to round: write ROUND(CAST(c AS DOUBLE PRECISION), -2) for hundreds
    1:8 'delay || 1' || joins text: write CAST(c AS TEXT) || ...
    1:8 'delay' months are added to a timestamp, not to a bigint
    1:8 'PERCENTILE_CONT' PERCENTILE_CONT takes other arguments: write PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY c)
    1:8 'FIRST_VALUE' FIRST_VALUE goes by the log's order, and s does not say where its rows stand: write FIRST_VALUE(c ORDER BY d), or put _arrival, _partition and _offset out there, too
    1:8 'SUM' IGNORE NULLS is not supported in SUM(...)
    1:8 'CURRENT_TIMESTAMP' there is no function 'current_timestamp': an answer depends on the log alone, not on the clock or on chance: write a literal
    "###);
}

#[test]
fn a_reserved_word_as_a_column() {
    let schema = Schema::new(vec![Field::new("user", Arrow::Utf8, false)]);
    let error = parse("SELECT user FROM flights", "flights", &schema).unwrap_err();
    insta::assert_snapshot!(error, @r#"line 1, column 8: user is a reserved word of SQL: write "user" for the column"#);
    assert!(parse("SELECT \"user\" FROM flights", "flights", &schema).is_ok());
}
