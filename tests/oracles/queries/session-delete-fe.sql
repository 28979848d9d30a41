SELECT uid, COUNT(*) AS cnt, window_start, window_end
FROM SESSION(TABLE UPSERT(TABLE events) PARTITION BY uid, DESCRIPTOR(ts), INTERVAL '10' MINUTE)
GROUP BY uid, window_start, window_end
