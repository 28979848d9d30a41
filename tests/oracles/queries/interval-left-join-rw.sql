-- A row is late where one of an earlier step is so much newer.
WITH steps_of_a AS (SELECT _arrival AS step, MAX(ts) AS newest FROM stream_a GROUP BY _arrival),
a AS (
  SELECT stream_a.*
  FROM stream_a LEFT JOIN steps_of_a ON steps_of_a.step < stream_a._arrival AND stream_a.ts < steps_of_a.newest - INTERVAL '5' SECOND
  WHERE steps_of_a.step IS NULL
),
steps_of_b AS (SELECT _arrival AS step, MAX(ts) AS newest FROM stream_b GROUP BY _arrival),
b AS (
  SELECT stream_b.*
  FROM stream_b LEFT JOIN steps_of_b ON steps_of_b.step < stream_b._arrival AND stream_b.ts < steps_of_b.newest - INTERVAL '5' SECOND
  WHERE steps_of_b.step IS NULL
)
SELECT a.id AS a_id, b.id AS b_id, a.ts AS a_ts, b.ts AS b_ts, a.val AS a_val, b.val AS b_val
FROM a LEFT JOIN b ON a.id = b.id AND a.ts >= b.ts AND a.ts <= b.ts + INTERVAL '10' SECOND
