     pair AS (
       SELECT LEAST(GREATEST(a.delay, 0), 240) / 30 * 30 AS late, b.delay AS next_delay
       FROM flight a JOIN flight b
         ON b.tailnum = a.tailnum AND b.sched_dep > a.sched_dep AND b.sched_dep <= a.sched_dep + INTERVAL '12' HOUR
     )
SELECT late,
       COUNT(*) AS flights,
       CAST(SUM(next_delay) AS DOUBLE) / COUNT(*) AS next_delay_avg
FROM pair
GROUP BY late
