SELECT origin, dest,
       COUNT(*) AS flights,
       COUNT(dep_time) AS departures,
       SUM(distance) AS miles,
       SUM(air_time) AS air_minutes,
       MAX(known) AS known_last
FROM flights
GROUP BY origin, dest
