-- A row is late where one of an earlier step is so much newer.
WITH steps AS (SELECT _arrival AS step, MAX(pickup) AS newest FROM series GROUP BY _arrival),
accepted AS (
  SELECT series.*
  FROM series LEFT JOIN steps ON steps.step < series._arrival AND series.pickup < steps.newest - INTERVAL '1' HOUR
  WHERE steps.step IS NULL
)
SELECT AVG(distance) AS avg_distance, window_start
FROM TUMBLE(TABLE accepted, DESCRIPTOR(pickup), INTERVAL '1' DAY)
GROUP BY window_start
