     weather AS (
       SELECT origin, at AS hour, CAST(FLOOR(wind_speed / 5) AS BIGINT) * 5 AS wind
       FROM departures
       WHERE event_type = 'weather' AND wind_speed IS NOT NULL
     ),
     hourly AS (
       SELECT origin, DATE_TRUNC('hour', sched_dep) AS hour, COUNT(*) AS departures, SUM(delay) AS delay
       FROM flight
       GROUP BY origin, DATE_TRUNC('hour', sched_dep)
     ),
     windy AS (
       SELECT h.departures, h.delay, CASE WHEN w.hour >= h.hour - INTERVAL '6' HOUR THEN w.wind END AS wind
       FROM hourly h ASOF LEFT JOIN weather w MATCH_CONDITION (h.hour >= w.hour) ON w.origin = h.origin
     )
SELECT wind,
       SUM(departures) AS departures,
       CAST(SUM(delay) AS DOUBLE) / SUM(departures) AS delay_avg
FROM windy
GROUP BY wind
