//! Of frames, windows in GROUP BY, rows of values, LATERAL, VALUES.

use super::errors;

#[test]
fn windows_with_names() {
    insta::assert_snapshot!(errors(&[
        "SELECT RANK() OVER w FROM flights",
        "SELECT RANK() OVER vw FROM flights WINDOW vv AS (ORDER BY delay)",
        "SELECT RANK() OVER (w ORDER BY delay) FROM flights WINDOW w AS (ORDER BY delay)",
        "SELECT RANK() OVER (w PARTITION BY delay) FROM flights WINDOW w AS (ORDER BY delay)",
        "SELECT SUM(delay) OVER (w) FROM flights WINDOW w AS (ORDER BY delay ROWS 1 PRECEDING)",
        "SELECT RANK() OVER w FROM flights WINDOW w AS (v), v AS (ORDER BY delay)",
        "SELECT RANK() OVER w FROM flights WINDOW w AS (ORDER BY delay), w AS (ORDER BY t)",
        "SELECT origin FROM flights WINDOW w AS (ORDER BY dely)",
    ]), @r###"
    1:20 'w' no window 'w' stands before this: write WINDOW w AS (PARTITION BY a ORDER BY b) behind HAVING
    1:20 'vw' no window 'vw' stands before this: write WINDOW vw AS (PARTITION BY a ORDER BY b) behind HAVING
    1:21 'w' window 'w' has an ORDER BY, which stays as it is: write the whole window out
    1:21 'w' window 'w' says what rows are partitioned by, which stays as it is: write the whole window out
    1:25 'w' window 'w' has a frame, so that nothing is added to it: write OVER w without parentheses
    1:48 'v' no window 'v' stands before this: write WINDOW v AS (PARTITION BY a ORDER BY b) behind HAVING
    1:65 'w' window 'w' is there twice: give one another name
    1:50 'dely' topic flights has no column 'dely': did you mean 'delay'?
    "###);
}

#[test]
fn windows_in_group_by() {
    insta::assert_snapshot!(errors(&[
        "SELECT TUMBLE_START(t, INTERVAL '1' HOUR) FROM flights GROUP BY origin",
        "SELECT TUMBLE_START(t, INTERVAL '2' HOUR) FROM flights GROUP BY TUMBLE(t, INTERVAL '1' HOUR)",
        "SELECT TUMBLE_ROWTIME(t, INTERVAL '1' HOUR) FROM flights GROUP BY TUMBLE(t, INTERVAL '1' HOUR)",
        "SELECT COUNT(*) FROM flights GROUP BY TUMBLE(t)",
        "SELECT COUNT(*) FROM flights GROUP BY TUMBLE(t, 60)",
        "SELECT COUNT(*) FROM flights GROUP BY HOP(delay, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)",
        "SELECT COUNT(*) FROM flights GROUP BY TUMBLE(t, INTERVAL '1' HOUR), TUMBLE(t, INTERVAL '2' HOUR)",
        "SELECT COUNT(*) FROM flights GROUP BY ROLLUP (origin, SESSION(t, INTERVAL '2' HOUR))",
        "SELECT t FROM flights GROUP BY TUMBLE(t, INTERVAL '1' HOUR)",
        "SELECT TUMBLE(t, INTERVAL '1' HOUR) FROM flights",
    ]), @r###"
    1:8 'TUMBLE_START' TUMBLE_START goes with a window in GROUP BY: write GROUP BY TUMBLE(column, INTERVAL '1' HOUR)
    1:8 'TUMBLE_START' TUMBLE_START is of another window than the one in GROUP BY: write the same column and lengths
    1:8 'TUMBLE_ROWTIME' a window has a start and an end: write TUMBLE_START(...) or TUMBLE_END(...)
    1:39 'TUMBLE' TUMBLE takes other arguments: write GROUP BY TUMBLE(column, INTERVAL '1' HOUR)
    1:49 '60' this argument is the window's size: write GROUP BY TUMBLE(column, INTERVAL '1' HOUR)
    1:43 'delay' a window cuts a timestamp, and this is bigint
    1:69 'TUMBLE' rows are grouped by one window: leave the other one out
    1:55 'SESSION' a session is of all other keys, so that it stands in no ROLLUP, CUBE or GROUPING SETS
    1:8 't' 't' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX(t)
    1:8 'TUMBLE' there is no function 'tumble': a window stands in FROM: write FROM TUMBLE(TABLE t, DESCRIPTOR(c), INTERVAL '1' HOUR)
    "###);
}

#[test]
fn rows_of_values() {
    insta::assert_snapshot!(errors(&[
        "SELECT origin FROM flights WHERE (origin, delay) = ('JFK', 1, 2)",
        "SELECT origin FROM flights WHERE (origin, delay) = origin",
        "SELECT origin FROM flights WHERE (origin, delay) = (SELECT origin, delay FROM flights LIMIT 1)",
        "SELECT origin FROM flights WHERE (origin, delay) = (1, 2)",
        "SELECT origin FROM flights WHERE (origin, delay) || ('a', 1)",
        "SELECT origin FROM flights WHERE (origin, delay) IN (1, 2)",
        "SELECT origin FROM flights WHERE ((origin, delay), 1) = (('JFK', 1), 1)",
        "SELECT origin, GROUPING(origin) FROM flights",
        "SELECT SUM(GROUPING(origin)) FROM flights GROUP BY origin",
        "SELECT GROUPING() FROM flights GROUP BY origin",
    ]), @r###"
    1:35 'origin, delay) = ('JFK', 1, 2' rows of 2 and 3 values are compared: make them alike
    1:52 'origin' a row is compared with a row: write (a, b) = (1, 'x')
    1:53 'SELECT origin, delay FROM flights LIMIT 1' a row is compared with a subquery by IN: write (a, b) IN (SELECT ...)
    1:53 '1' text and bigint cannot be compared by =: CAST one of them
    1:35 'origin, delay' || is not defined for rows: write it for their values one by one
    1:54 '1' a row is compared with a row: write (a, b) = (1, 'x')
    1:36 'origin, delay' a row of values is compared with another one, and neither put out nor nested: write (a, b) = (1, 'x'), (a, b) IN (...), or two columns
    1:16 'GROUPING' GROUPING asks about what stands in GROUP BY: write the expression as it stands there
    1:12 'GROUPING' GROUPING stands in the select list, in HAVING and in ORDER BY, outside aggregates
    1:8 'GROUPING' GROUPING takes 1 to 31 keys of GROUP BY: write GROUPING(a, b)
    "###);
}

#[test]
fn lateral() {
    insta::assert_snapshot!(errors(&[
        "SELECT 1 FROM flights f, LATERAL (SELECT g.delay FROM flights g WHERE g.delay > f.delay) l",
        "SELECT 1 FROM flights f, LATERAL (SELECT g.delay + f.delay FROM flights g WHERE g.origin = f.origin) l",
        "SELECT 1 FROM flights f RIGHT JOIN LATERAL (SELECT g.delay FROM flights g WHERE g.origin = f.origin) l ON TRUE",
        "SELECT 1 FROM flights f LEFT JOIN LATERAL (SELECT COUNT(*) AS n FROM flights g WHERE g.origin = f.origin) l ON l.n > 2",
        "SELECT 1 FROM flights f, LATERAL (SELECT COUNT(*) AS n FROM flights g WHERE g.origin = f.origin OFFSET 1) l",
        "SELECT 1 FROM flights f, LATERAL (SELECT delay FROM flights g WHERE g.origin = f.origin) l (a, b)",
        "SELECT 1 FROM flights f, LATERAL (SELECT delay FROM flights g WHERE g.origin = f.origin) l RIGHT JOIN flights h ON l.delay = h.delay",
        "SELECT 1 FROM flights f, LATERAL (SELECT delay FROM flights g WHERE g.origin = f.origin ORDER BY delay FETCH FIRST 1 ROW WITH TIES) l",
        "SELECT DISTINCT origin FROM flights ORDER BY origin FETCH FIRST 1 ROW WITH TIES",
    ]), @r###"
    1:71 'g.delay > f.delay' a subquery is compared with the row around it by equalities that are joined by AND, as in WHERE s.key = t.key: write what else there is as a JOIN
    1:52 'f.delay' 'delay' is of the query around this one, with which a subquery is compared in its WHERE alone: write WHERE s.key = delay there, or a JOIN
    1:45 'SELECT g.delay FROM flights g WHERE g.origin = f.origin' LATERAL is asked for each row of the left side: write CROSS JOIN LATERAL or LEFT JOIN LATERAL (...) l ON TRUE
    1:44 'SELECT COUNT(*) AS n FROM flights g WHERE g.origin = f.origin' an aggregate of all rows is there for each row: write LEFT JOIN LATERAL (...) l ON TRUE
    1:35 'SELECT COUNT(*) AS n FROM flights g WHERE g.origin = f.origin OFFSET 1' an aggregate of all rows is one row: leave OFFSET, or LIMIT 0, out
    1:90 'l' 2 names for 1 columns: leave some out
    1:103 'flights h' rows of this side are kept that no row of LATERAL meets: write LATERAL by CROSS JOIN, before this join
    1:35 'SELECT' WITH TIES in a subquery about the row around it is not supported: write RANK() OVER in FROM, as a JOIN
    1:53 'FETCH' DISTINCT does not go with WITH TIES: write GROUP BY
    "###);
}

#[test]
fn what_is_written_out() {
    insta::assert_snapshot!(errors(&[
        "SELECT 1",
        "SELECT 1 UNION ALL VALUES (2)",
        "SELECT v.id FROM (VALUES (1)) AS v (id)",
        "SELECT delay FROM flights JOIN (VALUES (1, 'a'), (2)) AS v (id, name) ON delay = v.id",
        "SELECT delay FROM flights JOIN (VALUES (1), ('a')) AS v (id) ON delay = v.id",
        "SELECT delay FROM flights JOIN (VALUES (1), (CAST(NULL AS TEXT))) AS v (id) ON delay = v.id",
        "SELECT delay FROM flights JOIN (VALUES (delay)) AS v (id) ON delay = v.id",
        "SELECT delay FROM flights f JOIN (VALUES (f.delay)) AS v (id) ON f.delay = v.id",
        "SELECT delay FROM flights JOIN (VALUES (COUNT(*))) AS v (id) ON delay = v.id",
        "SELECT delay FROM flights JOIN (VALUES ((SELECT MAX(delay) FROM flights))) AS v (id) ON delay = v.id",
        "SELECT delay FROM flights JOIN (VALUES (1), (2) ORDER BY id) AS v (id) ON delay = v.id",
        "SELECT delay FROM flights WHERE delay IN (VALUES (1, 2))",
        "SELECT delay FROM flights WHERE (delay, origin) IN (VALUES (1))",
        "SELECT delay FROM flights WHERE delay IN (VALUES (TRUE))",
        "SELECT (VALUES (5)) FROM flights",
        "SELECT delay FROM flights WHERE delay > (SELECT \"x\")",
        "SELECT delay, origin FROM flights UNION ALL SELECT 'total', NULL",
        "SELECT 1 FROM flights f, LATERAL (VALUES (f.delay), (f.origin)) v (x)",
        "SELECT 1 FROM flights f LEFT JOIN LATERAL (SELECT f.delay * 2 AS d) l ON l.d > 3",
        "SELECT 1 FROM flights f, LATERAL (SELECT SUM(f.delay) AS d) l",
    ]), @r###"
    1:1 'SELECT' the query reads nothing: write FROM flights
    1:1 'SELECT 1 UNION ALL VALUES (2)' the query reads no topic: write FROM flights; constants stand beside it, as in FROM flights JOIN (VALUES (1, 'a')) AS v (id, name) ON ...
    1:1 'SELECT' the query reads no topic: write FROM flights; constants stand beside it, as in FROM flights JOIN (VALUES (1, 'a')) AS v (id, name) ON ...
    1:50 '(2)' the rows of VALUES have 2 and 1 values: make them alike
    1:46 ''a'' 'a' is not a bigint: write a whole number that fits 64 bits, such as 42
    1:51 'NULL' bigint and text cannot be put into one column of VALUES: CAST one of them
    1:41 'delay' no column 'delay' is known where nothing is read: write FROM and a topic
    1:43 'f' no relation 'f' is known where nothing is read: write FROM and a topic
    1:41 'COUNT' COUNT cannot stand in VALUES, or in LATERAL without FROM, where no rows are read: write SELECT ... FROM
    1:42 'SELECT MAX(delay) FROM flights' a subquery cannot stand here: put it into WHERE, HAVING or the select list
    1:58 'id' UNION, EXCEPT, INTERSECT and VALUES are ordered by what they put out: name a column of the first query, or give its number
    1:33 'delay' IN compares with one column: the subquery puts out several
    1:34 'delay, origin' IN compares 2 values with as many columns: the subquery puts out 1
    1:51 'TRUE' bigint and boolean cannot be compared by IN: CAST one of them
    1:9 'VALUES' there is no function 'values': one value is a subquery as (SELECT 5), and rows stand in FROM (VALUES (1, 'a'), (2, 'b')) AS v (id, name)
    1:49 '"x"' no column 'x' is known where nothing is read: write FROM and a topic (text stands in single quotes)
    1:35 'UNION' column '?column?' of UNION is bigint and text: CAST one of them
    1:54 'f.origin' bigint and text cannot be put into one column of VALUES: CAST one of them
    1:44 'SELECT f.delay * 2 AS d' what is computed of a row is there for each row: write LEFT JOIN LATERAL (...) l ON TRUE
    1:42 'SUM' SUM cannot stand in VALUES, or in LATERAL without FROM, where no rows are read: write SELECT ... FROM
    "###);
}
