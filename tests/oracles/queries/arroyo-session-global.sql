SELECT window_start AS start, window_end AS "end", COUNT(*) AS rows
FROM SESSION(TABLE impulse, DESCRIPTOR("timestamp"), INTERVAL '20' SECOND)
GROUP BY window_start, window_end
