-- A row is late where one of an earlier step is so much newer, and final where the watermark has passed it.
WITH steps AS (SELECT _arrival AS step, MAX(tm) AS newest FROM mixed_input GROUP BY _arrival),
accepted AS (
  SELECT mixed_input.*
  FROM mixed_input LEFT JOIN steps ON steps.step < mixed_input._arrival AND mixed_input.tm < steps.newest - INTERVAL '5' SECOND
  WHERE steps.step IS NULL
),
final AS (
  SELECT accepted.*
  FROM accepted CROSS JOIN (SELECT MAX(tm) - INTERVAL '5' SECOND AS mark FROM accepted) w
  WHERE tm < mark
)
SELECT tm, foo, bar,
  ROW_NUMBER() OVER (PARTITION BY bar ORDER BY tm) AS rn,
  LAG(foo) OVER (PARTITION BY bar ORDER BY tm) AS prev_foo,
  RANK() OVER (PARTITION BY bar ORDER BY tm) AS rk
FROM final
