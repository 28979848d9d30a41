-- A row is late where one of an earlier step is so much newer.
WITH steps AS (SELECT _arrival AS step, MAX(ts) AS newest FROM events GROUP BY _arrival),
accepted AS (
  SELECT events.*
  FROM events LEFT JOIN steps ON steps.step < events._arrival AND events.ts < steps.newest - INTERVAL '1' HOUR
  WHERE steps.step IS NULL
)
SELECT uid, COUNT(*) AS cnt, window_start, window_end
FROM SESSION(TABLE accepted PARTITION BY uid, DESCRIPTOR(ts), INTERVAL '10' MINUTE)
GROUP BY uid, window_start, window_end
