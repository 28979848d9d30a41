SELECT window_start AS day, carrier,
       COUNT(DISTINCT tailnum) AS aircraft,
       APPROX_COUNT_DISTINCT(tailnum) AS aircraft_approx,
       COUNT(*) AS flights
FROM TUMBLE(TABLE flights, DESCRIPTOR(sched_dep), INTERVAL '1' DAY)
GROUP BY window_start, carrier
