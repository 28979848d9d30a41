-- A row is late where one of its table of an earlier step is so much newer; a result is final where both watermarks have passed it.
WITH steps_of_stream_a AS (SELECT _arrival AS step, MAX(ts) AS newest FROM stream_a GROUP BY _arrival),
stream_a_accepted AS (
  SELECT stream_a.*
  FROM stream_a LEFT JOIN steps_of_stream_a ON steps_of_stream_a.step < stream_a._arrival AND stream_a.ts < steps_of_stream_a.newest - INTERVAL '5' SECOND
  WHERE steps_of_stream_a.step IS NULL
),
steps_of_stream_b AS (SELECT _arrival AS step, MAX(ts) AS newest FROM stream_b GROUP BY _arrival),
stream_b_accepted AS (
  SELECT stream_b.*
  FROM stream_b LEFT JOIN steps_of_stream_b ON steps_of_stream_b.step < stream_b._arrival AND stream_b.ts < steps_of_stream_b.newest - INTERVAL '5' SECOND
  WHERE steps_of_stream_b.step IS NULL
),
watermark AS (
  SELECT LEAST(a.mark, b.mark) AS mark
  FROM (SELECT MAX(ts) - INTERVAL '5' SECOND AS mark FROM stream_a_accepted) a CROSS JOIN (SELECT MAX(ts) - INTERVAL '5' SECOND AS mark FROM stream_b_accepted) b
  WHERE a.mark IS NOT NULL AND b.mark IS NOT NULL
)
SELECT a.id AS a_id, b.id AS b_id, a.ts AS a_ts, b.ts AS b_ts, a.val AS a_val, b.val AS b_val
FROM stream_a_accepted a LEFT JOIN stream_b_accepted b ON a.id = b.id AND a.ts >= b.ts AND a.ts <= b.ts + INTERVAL '10' SECOND CROSS JOIN watermark
WHERE a.ts < mark
