-- A row is late where one of its table of an earlier step is so much newer; a result is final where both watermarks have passed it.
WITH steps_of_t1 AS (SELECT _arrival AS step, MAX(ts) AS newest FROM t1 GROUP BY _arrival),
t1_accepted AS (
  SELECT t1.*
  FROM t1 LEFT JOIN steps_of_t1 ON steps_of_t1.step < t1._arrival AND t1.ts < steps_of_t1.newest - INTERVAL '1' HOUR
  WHERE steps_of_t1.step IS NULL
),
steps_of_t2 AS (SELECT _arrival AS step, MAX(ts) AS newest FROM t2 GROUP BY _arrival),
t2_accepted AS (
  SELECT t2.*
  FROM t2 LEFT JOIN steps_of_t2 ON steps_of_t2.step < t2._arrival AND t2.ts < steps_of_t2.newest - INTERVAL '1' HOUR
  WHERE steps_of_t2.step IS NULL
),
watermark AS (
  SELECT LEAST(a.mark, b.mark) AS mark
  FROM (SELECT MAX(ts) - INTERVAL '1' HOUR AS mark FROM t1_accepted) a CROSS JOIN (SELECT MAX(ts) - INTERVAL '1' HOUR AS mark FROM t2_accepted) b
  WHERE a.mark IS NOT NULL AND b.mark IS NOT NULL
)
SELECT j.ts
FROM (SELECT t1_accepted.ts FROM t1_accepted FULL JOIN t2_accepted ON t1_accepted.ts = t2_accepted.ts) j CROSS JOIN watermark
WHERE j.ts < mark
