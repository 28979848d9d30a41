SELECT window_start AS day, carrier,
       APPROX_QUANTILE(dep_time - sched_dep_time, 0.5) AS delay_p50,
       APPROX_QUANTILE(dep_time - sched_dep_time, 0.9) AS delay_p90,
       APPROX_QUANTILE(dep_time - sched_dep_time, 0.99) AS delay_p99,
       COUNT(*) AS departures
FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' DAY)
WHERE dep_time IS NOT NULL
GROUP BY window_start, carrier
