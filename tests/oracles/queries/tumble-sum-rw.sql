SELECT SUM(v) AS sum_v, window_start
FROM TUMBLE(TABLE t1, DESCRIPTOR(created_at), INTERVAL '30' MINUTE)
GROUP BY window_start
