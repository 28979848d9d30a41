WITH flight AS (
       SELECT at AS sched_dep, tailnum, origin, dest, dep_time - sched_dep_time AS delay
       FROM departures
       WHERE event_type = 'flight' AND dep_time IS NOT NULL
     ),
