-- A row is late where one of an earlier step is so much newer; a window closes when the watermark reaches its end.
WITH steps AS (SELECT _arrival AS step, MAX(tm) AS newest FROM t GROUP BY _arrival),
accepted AS (
  SELECT t.*
  FROM t LEFT JOIN steps ON steps.step < t._arrival AND t.tm < steps.newest - INTERVAL '5' MINUTE
  WHERE steps.step IS NULL
),
watermark AS (SELECT MAX(tm) - INTERVAL '5' MINUTE AS mark FROM accepted)
SELECT window_start, max_foo
FROM (
  SELECT window_start, window_end, MAX(foo) AS max_foo
  FROM TUMBLE(TABLE accepted, DESCRIPTOR(tm), INTERVAL '1' HOUR)
  GROUP BY window_start, window_end
) w CROSS JOIN watermark
WHERE window_end <= mark
