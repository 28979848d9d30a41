SELECT window_start AS hour, origin,
       AVG(dep_time - sched_dep_time) AS delay_avg,
       MAX(dep_time - sched_dep_time) AS delay_max,
       COUNT(*) AS departures
FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' HOUR)
WHERE dep_time IS NOT NULL
GROUP BY window_start, origin
