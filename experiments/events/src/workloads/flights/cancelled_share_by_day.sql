SELECT window_start AS day,
       AVG(CASE WHEN dep_time IS NULL THEN 1 ELSE 0 END) AS cancelled_share,
       SUM(CASE WHEN dep_time IS NULL THEN 1 ELSE 0 END) AS cancelled,
       COUNT(*) AS flights
FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' DAY)
GROUP BY window_start
