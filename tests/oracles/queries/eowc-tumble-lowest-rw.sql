-- A row is late where one of an earlier step is so much newer; a window closes when the watermark reaches its end.
WITH steps AS (SELECT _arrival AS step, MAX(tm) AS newest FROM t GROUP BY _arrival),
accepted AS (
  SELECT t.*
  FROM t LEFT JOIN steps ON steps.step < t._arrival AND t.tm < steps.newest - INTERVAL '5' MINUTE
  WHERE steps.step IS NULL
),
watermark AS (SELECT MAX(tm) - INTERVAL '5' MINUTE AS mark FROM accepted),
ranked AS (
  SELECT window_start, window_end, foo, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY foo) AS place
  FROM TUMBLE(TABLE accepted, DESCRIPTOR(tm), INTERVAL '1' HOUR)
)
SELECT window_start, foo FROM ranked CROSS JOIN watermark WHERE place = 1 AND window_end <= mark
