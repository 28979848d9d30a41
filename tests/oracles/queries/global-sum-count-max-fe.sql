SELECT SUM(ts * 2) AS sum_ts2, COUNT(ts - 2) AS cnt, MAX(ts) AS max_ts FROM t
