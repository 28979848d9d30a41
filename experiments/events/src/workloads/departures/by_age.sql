     plane AS (
       SELECT tailnum, year
       FROM (SELECT tailnum, plane_year AS year, ROW_NUMBER() OVER (PARTITION BY tailnum ORDER BY known DESC) AS place
             FROM departures
             WHERE event_type = 'plane') planes
       WHERE place = 1
     ),
     flown AS (
       SELECT tailnum, EXTRACT(YEAR FROM sched_dep) AS year, COUNT(*) AS departures, SUM(delay) AS delay
       FROM flight
       GROUP BY tailnum, EXTRACT(YEAR FROM sched_dep)
     )
SELECT f.year - p.year AS age,
       COUNT(*) AS aircraft,
       SUM(f.departures) AS departures,
       CAST(SUM(f.delay) AS DOUBLE) / SUM(f.departures) AS delay_avg
FROM flown f LEFT JOIN plane p ON p.tailnum = f.tailnum
GROUP BY f.year - p.year
