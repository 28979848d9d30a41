     weather AS (
       SELECT origin, at AS hour, CAST(FLOOR(wind_speed / 5) AS BIGINT) * 5 AS wind
       FROM departures
       WHERE event_type = 'weather'
     ),
     hourly AS (
       SELECT origin, DATE_TRUNC('hour', sched_dep) AS hour, COUNT(*) AS departures, SUM(delay) AS delay, MAX(delay) AS delay_max
       FROM flight
       GROUP BY origin, DATE_TRUNC('hour', sched_dep)
     )
SELECT w.wind,
       COUNT(*) AS hours,
       SUM(h.departures) AS departures,
       CAST(SUM(h.delay) AS DOUBLE) / SUM(h.departures) AS delay_avg,
       MAX(h.delay_max) AS delay_max
FROM hourly h LEFT JOIN weather w ON w.origin = h.origin AND w.hour = h.hour
GROUP BY w.wind
