SELECT MAX(ts * 2) AS max_ts2, MIN(ts - 2) AS min_ts FROM t
