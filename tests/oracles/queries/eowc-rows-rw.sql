-- A row is late where one of an earlier step is so much newer, and final where the watermark has passed it.
WITH steps AS (SELECT _arrival AS step, MAX(tm) AS newest FROM t GROUP BY _arrival),
accepted AS (
  SELECT t.*
  FROM t LEFT JOIN steps ON steps.step < t._arrival AND t.tm < steps.newest - INTERVAL '5' MINUTE
  WHERE steps.step IS NULL
),
final AS (
  SELECT accepted.*
  FROM accepted CROSS JOIN (SELECT MAX(tm) - INTERVAL '5' MINUTE AS mark FROM accepted) w
  WHERE tm < mark
)
SELECT tm, foo FROM final
