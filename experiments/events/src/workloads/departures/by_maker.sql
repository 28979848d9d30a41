     plane AS (
       SELECT tailnum, maker
       FROM (SELECT tailnum, plane_manufacturer AS maker, ROW_NUMBER() OVER (PARTITION BY tailnum ORDER BY known DESC) AS place
             FROM departures
             WHERE event_type = 'plane') planes
       WHERE place = 1
     ),
     flown AS (
       SELECT tailnum, COUNT(*) AS departures, SUM(delay) AS delay
       FROM flight
       GROUP BY tailnum
     )
SELECT p.maker,
       SUM(f.departures) AS departures,
       CAST(SUM(f.delay) AS DOUBLE) / SUM(f.departures) AS delay_avg
FROM flown f LEFT JOIN plane p ON p.tailnum = f.tailnum
GROUP BY p.maker
