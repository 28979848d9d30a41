SELECT window_end AS "timestamp", COUNT(*) AS count
FROM TUMBLE(TABLE cars, DESCRIPTOR("timestamp"), INTERVAL '1' HOUR)
GROUP BY window_end
