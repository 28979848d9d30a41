-- A row is late where one of an earlier step is so much newer.
WITH steps AS (SELECT _arrival AS step, MAX(v1) AS newest FROM stream GROUP BY _arrival),
accepted AS (
  SELECT stream.*, stream._arrival AS _arrival
  FROM stream LEFT JOIN steps ON steps.step < stream._arrival AND stream.v1 < steps.newest - INTERVAL '10' SECOND
  WHERE steps.step IS NULL
)
SELECT s.id1, s.a1, v.id2, s.v1
FROM accepted s LEFT JOIN version FOR SYSTEM_TIME AS OF PROCTIME() AS v ON s.id1 = v.id2
