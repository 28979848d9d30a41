     airport AS (
       SELECT faa, tzone
       FROM (SELECT faa, airport_tzone AS tzone, ROW_NUMBER() OVER (PARTITION BY faa ORDER BY known DESC) AS place
             FROM departures
             WHERE event_type = 'airport') airports
       WHERE place = 1
     ),
     routes AS (
       SELECT dest, COUNT(*) AS departures, SUM(delay) AS delay
       FROM flight
       GROUP BY dest
     )
SELECT a.tzone,
       COUNT(*) AS airports,
       SUM(r.departures) AS departures,
       CAST(SUM(r.delay) AS DOUBLE) / SUM(r.departures) AS delay_avg
FROM routes r LEFT JOIN airport a ON a.faa = r.dest
GROUP BY a.tzone
