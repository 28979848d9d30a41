WITH departures AS (
       SELECT sched_dep, carrier, dep_time - sched_dep_time AS delay
       FROM flights
       WHERE dep_time IS NOT NULL
     )
SELECT window_start AS day, carrier,
       APPROX_QUANTILE(delay, 0.5) AS delay_p50,
       APPROX_QUANTILE(delay, 0.9) AS delay_p90,
       APPROX_QUANTILE(delay, 0.99) AS delay_p99,
       COUNT(*) AS departures
FROM TUMBLE(TABLE departures, DESCRIPTOR(sched_dep), INTERVAL '1' DAY)
GROUP BY window_start, carrier
