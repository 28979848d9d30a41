SELECT t1.k, t1.t, t2.k AS k2, t2.t AS t2
FROM t1 ASOF JOIN t2 MATCH_CONDITION (t1.t <= t2.t) ON t1.k = t2.k
