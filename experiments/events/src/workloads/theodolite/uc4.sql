WITH newest AS (
  SELECT sensor, window_start, watts
  FROM (
    SELECT sensor, window_start, watts, ROW_NUMBER() OVER (PARTITION BY sensor, window_start ORDER BY "time" DESC) AS place
    FROM TUMBLE(TABLE theodolite, DESCRIPTOR("time"), INTERVAL '1' MINUTE)
  ) measured
  WHERE place = 1
),
members AS (
  SELECT 1 AS level, sensor / 4 AS "group", window_start, watts FROM newest
  UNION ALL
  SELECT 2 AS level, sensor / 16 AS "group", window_start, watts FROM newest
  UNION ALL
  SELECT 3 AS level, sensor / 64 AS "group", window_start, watts FROM newest
)
SELECT level, "group", window_start, SUM(watts) AS watts, COUNT(*) AS sensors
FROM members
GROUP BY level, "group", window_start
