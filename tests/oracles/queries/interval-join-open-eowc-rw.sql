-- A row is late where one of its table of an earlier step is so much newer; a result is final where both watermarks have passed it.
WITH steps_of_left_table AS (SELECT _arrival AS step, MAX(ts) AS newest FROM left_table GROUP BY _arrival),
left_table_accepted AS (
  SELECT left_table.*
  FROM left_table LEFT JOIN steps_of_left_table ON steps_of_left_table.step < left_table._arrival AND left_table.ts < steps_of_left_table.newest - INTERVAL '5' SECOND
  WHERE steps_of_left_table.step IS NULL
),
steps_of_right_table AS (SELECT _arrival AS step, MAX(ts) AS newest FROM right_table GROUP BY _arrival),
right_table_accepted AS (
  SELECT right_table.*
  FROM right_table LEFT JOIN steps_of_right_table ON steps_of_right_table.step < right_table._arrival AND right_table.ts < steps_of_right_table.newest - INTERVAL '5' SECOND
  WHERE steps_of_right_table.step IS NULL
),
watermark AS (
  SELECT LEAST(a.mark, b.mark) AS mark
  FROM (SELECT MAX(ts) - INTERVAL '5' SECOND AS mark FROM left_table_accepted) a CROSS JOIN (SELECT MAX(ts) - INTERVAL '5' SECOND AS mark FROM right_table_accepted) b
  WHERE a.mark IS NOT NULL AND b.mark IS NOT NULL
)
SELECT l.id AS l_id, r.id AS r_id, l.ts AS l_ts, r.ts AS r_ts
FROM left_table_accepted l JOIN right_table_accepted r ON l.id = r.id AND l.ts >= r.ts CROSS JOIN watermark
WHERE l.ts < mark
