-- A row is late where one of an earlier step is so much newer; a window closes when the watermark reaches its end.
WITH steps AS (SELECT _arrival AS step, MAX(v1) AS newest FROM stream GROUP BY _arrival),
accepted AS (
  SELECT stream.*, stream._arrival AS _arrival
  FROM stream LEFT JOIN steps ON steps.step < stream._arrival AND stream.v1 < steps.newest - INTERVAL '10' SECOND
  WHERE steps.step IS NULL
),
watermark AS (SELECT MAX(v1) - INTERVAL '10' SECOND AS mark FROM accepted),
joined AS (
  SELECT s.id1, s.v1
  FROM accepted s LEFT JOIN version FOR SYSTEM_TIME AS OF PROCTIME() AS v ON s.id1 = v.id2
)
SELECT window_start, n
FROM (
  SELECT window_start, window_end, COUNT(id1) AS n
  FROM TUMBLE(TABLE joined, DESCRIPTOR(v1), INTERVAL '5' SECOND)
  GROUP BY window_start, window_end
) w CROSS JOIN watermark
WHERE window_end <= mark
