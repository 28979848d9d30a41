SELECT product, COUNT(*) AS event_count, window_start, window_end
FROM SESSION(TABLE orders PARTITION BY product, DESCRIPTOR(rowtime), INTERVAL '20' MINUTE)
GROUP BY product, window_start, window_end
