SELECT window_start AS minute, url,
       COUNT(*) AS views,
       SUM(duration_ms) AS duration_ms
FROM TUMBLE(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' MINUTE)
GROUP BY window_start, url
