-- A row is late where one of an earlier step is so much newer, and final where the watermark has passed it.
WITH steps AS (SELECT _arrival AS step, MAX(tm) AS newest FROM tie_input GROUP BY _arrival),
accepted AS (
  SELECT tie_input.*
  FROM tie_input LEFT JOIN steps ON steps.step < tie_input._arrival AND tie_input.tm < steps.newest - INTERVAL '5' SECOND
  WHERE steps.step IS NULL
),
final AS (
  SELECT accepted.*
  FROM accepted CROSS JOIN (SELECT MAX(tm) - INTERVAL '5' SECOND AS mark FROM accepted) w
  WHERE tm < mark
)
SELECT foo,
  ROW_NUMBER() OVER (PARTITION BY bar ORDER BY tm, id) AS rn,
  RANK() OVER (PARTITION BY bar ORDER BY tm) AS rk,
  DENSE_RANK() OVER (PARTITION BY bar ORDER BY tm) AS dr
FROM final
