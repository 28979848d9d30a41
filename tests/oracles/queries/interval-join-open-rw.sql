-- A row is late where one of an earlier step is so much newer.
WITH steps_of_left AS (SELECT _arrival AS step, MAX(ts) AS newest FROM left_table GROUP BY _arrival),
l AS (
  SELECT left_table.*
  FROM left_table LEFT JOIN steps_of_left ON steps_of_left.step < left_table._arrival AND left_table.ts < steps_of_left.newest - INTERVAL '5' SECOND
  WHERE steps_of_left.step IS NULL
),
steps_of_right AS (SELECT _arrival AS step, MAX(ts) AS newest FROM right_table GROUP BY _arrival),
r AS (
  SELECT right_table.*
  FROM right_table LEFT JOIN steps_of_right ON steps_of_right.step < right_table._arrival AND right_table.ts < steps_of_right.newest - INTERVAL '5' SECOND
  WHERE steps_of_right.step IS NULL
)
SELECT l.id AS l_id, r.id AS r_id, l.ts AS l_ts, r.ts AS r_ts
FROM l JOIN r ON l.id = r.id AND l.ts >= r.ts
