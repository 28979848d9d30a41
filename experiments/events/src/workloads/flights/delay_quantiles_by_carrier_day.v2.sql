SELECT window_start AS day, carrier,
       APPROX_QUANTILE(dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100)
                       + CASE WHEN dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100) < -60
                              THEN 1440 ELSE 0 END, 0.5) AS delay_p50,
       APPROX_QUANTILE(dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100)
                       + CASE WHEN dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100) < -60
                              THEN 1440 ELSE 0 END, 0.9) AS delay_p90,
       APPROX_QUANTILE(dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100)
                       + CASE WHEN dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100) < -60
                              THEN 1440 ELSE 0 END, 0.99) AS delay_p99,
       COUNT(*) AS departures
FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' DAY)
WHERE dep_time IS NOT NULL
GROUP BY window_start, carrier
