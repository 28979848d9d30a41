WITH clocks AS (
       SELECT sched_dep, carrier,
              dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100) AS minutes
       FROM flights
       WHERE dep_time IS NOT NULL
     ),
     departures AS (
       SELECT sched_dep, carrier, minutes + CASE WHEN minutes < -60 THEN 1440 ELSE 0 END AS delay
       FROM clocks
     )
SELECT window_start AS day, carrier,
       APPROX_QUANTILE(delay, 0.5) AS delay_p50,
       APPROX_QUANTILE(delay, 0.9) AS delay_p90,
       APPROX_QUANTILE(delay, 0.99) AS delay_p99,
       COUNT(*) AS departures
FROM TUMBLE(TABLE departures, DESCRIPTOR(sched_dep), INTERVAL '1' DAY)
GROUP BY window_start, carrier
