SELECT tm, foo, bar, window_start AS first_tm, window_end - INTERVAL '10' MINUTE AS last_tm
FROM SESSION(TABLE t PARTITION BY bar, DESCRIPTOR(tm), INTERVAL '10' MINUTE)
