-- A row is late where one of its table of an earlier step is so much newer; a result is final where both watermarks have passed it.
WITH steps_of_hwm_left AS (SELECT _arrival AS step, MAX(ts) AS newest FROM hwm_left GROUP BY _arrival),
hwm_left_accepted AS (
  SELECT hwm_left.*
  FROM hwm_left LEFT JOIN steps_of_hwm_left ON steps_of_hwm_left.step < hwm_left._arrival AND hwm_left.ts < steps_of_hwm_left.newest - INTERVAL '5' SECOND
  WHERE steps_of_hwm_left.step IS NULL
),
steps_of_hwm_right AS (SELECT _arrival AS step, MAX(ts) AS newest FROM hwm_right GROUP BY _arrival),
hwm_right_accepted AS (
  SELECT hwm_right.*
  FROM hwm_right LEFT JOIN steps_of_hwm_right ON steps_of_hwm_right.step < hwm_right._arrival AND hwm_right.ts < steps_of_hwm_right.newest - INTERVAL '5' SECOND
  WHERE steps_of_hwm_right.step IS NULL
),
watermark AS (
  SELECT LEAST(a.mark, b.mark) AS mark
  FROM (SELECT MAX(ts) - INTERVAL '5' SECOND AS mark FROM hwm_left_accepted) a CROSS JOIN (SELECT MAX(ts) - INTERVAL '5' SECOND AS mark FROM hwm_right_accepted) b
  WHERE a.mark IS NOT NULL AND b.mark IS NOT NULL
)
SELECT l.id AS l_id, r.id AS r_id, l.ts
FROM hwm_left_accepted l LEFT JOIN hwm_right_accepted r ON l.ts = r.ts CROSS JOIN watermark
WHERE l.ts < mark
