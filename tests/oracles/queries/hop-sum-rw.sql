SELECT SUM(v) AS sum_v, window_start
FROM HOP(TABLE t1, DESCRIPTOR(created_at), INTERVAL '15' MINUTE, INTERVAL '30' MINUTE)
GROUP BY window_start
