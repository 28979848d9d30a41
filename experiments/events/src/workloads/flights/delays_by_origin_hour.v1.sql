WITH departures AS (
       SELECT sched_dep, origin, dep_time - sched_dep_time AS delay
       FROM flights
       WHERE dep_time IS NOT NULL
     )
SELECT window_start AS hour, origin,
       AVG(delay) AS delay_avg,
       MAX(delay) AS delay_max,
       COUNT(*) AS departures
FROM TUMBLE(TABLE departures, DESCRIPTOR(sched_dep), INTERVAL '1' HOUR)
GROUP BY window_start, origin
