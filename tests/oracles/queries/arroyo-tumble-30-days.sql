SELECT window_start AS month, COUNT(*) AS count
FROM TUMBLE(TABLE cars, DESCRIPTOR("timestamp"), INTERVAL '30' DAY)
GROUP BY window_start
