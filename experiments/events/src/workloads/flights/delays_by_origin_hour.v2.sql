WITH clocks AS (
       SELECT sched_dep, origin,
              dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100) AS minutes
       FROM flights
       WHERE dep_time IS NOT NULL
     ),
     departures AS (
       SELECT sched_dep, origin, minutes + CASE WHEN minutes < -60 THEN 1440 ELSE 0 END AS delay
       FROM clocks
     )
SELECT window_start AS hour, origin,
       AVG(delay) AS delay_avg,
       MAX(delay) AS delay_max,
       COUNT(*) AS departures
FROM TUMBLE(TABLE departures, DESCRIPTOR(sched_dep), INTERVAL '1' HOUR)
GROUP BY window_start, origin
