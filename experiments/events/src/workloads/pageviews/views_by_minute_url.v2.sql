SELECT window_start AS minute, url,
       COUNT(*) AS views,
       SUM(CASE WHEN duration_ms > 1800000 THEN 1800000 ELSE duration_ms END) AS duration_ms
FROM TUMBLE(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' MINUTE)
GROUP BY window_start, url
