SELECT window_start AS start, window_end AS "end", user_id, COUNT(*) AS rows
FROM SESSION(
  TABLE (SELECT "timestamp", CASE WHEN counter % 10 = 0 THEN 0 ELSE counter END AS user_id FROM impulse) PARTITION BY user_id,
  DESCRIPTOR("timestamp"), INTERVAL '20' SECOND)
GROUP BY window_start, window_end, user_id
