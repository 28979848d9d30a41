-- Of rows that are equally near, that with the smallest v3 is wanted: the greatest in the order of (v1, v2, back).
SELECT l.v1 AS l_v1, l.v2 AS l_v2, l.v3 AS l_v3, r.v1 AS r_v1, r.v2 AS r_v2, -r.back AS r_v3
FROM UPSERT(TABLE t1) AS l
ASOF LEFT JOIN (SELECT v1, v2, -v3 AS back FROM UPSERT(TABLE t2)) AS r MATCH_CONDITION (l.v2 > r.v2) ON l.v1 = r.v1
