SELECT window_start AS hour, origin,
       AVG(dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100)
           + CASE WHEN dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100) < -60
                  THEN 1440 ELSE 0 END) AS delay_avg,
       MAX(dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100)
           + CASE WHEN dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100) < -60
                  THEN 1440 ELSE 0 END) AS delay_max,
       COUNT(*) AS departures
FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' HOUR)
WHERE dep_time IS NOT NULL
GROUP BY window_start, origin
