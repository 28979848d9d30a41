WITH clocks AS (
       SELECT at AS sched_dep, tailnum, origin, dest,
              dep_time / 100 * 60 + dep_time % 100 - (sched_dep_time / 100 * 60 + sched_dep_time % 100) AS minutes
       FROM departures
       WHERE event_type = 'flight' AND dep_time IS NOT NULL
     ),
     flight AS (
       SELECT sched_dep, tailnum, origin, dest, minutes + CASE WHEN minutes < -60 THEN 1440 ELSE 0 END AS delay
       FROM clocks
     ),
