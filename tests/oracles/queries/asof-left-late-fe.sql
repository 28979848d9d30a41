-- A row is late where one of its table of an earlier step is so much newer. No deletion is late.
WITH steps_of_transactions AS (SELECT _arrival AS step, MAX(unix_time) AS newest FROM "transaction" GROUP BY _arrival),
t AS (
  SELECT "transaction".*
  FROM "transaction" LEFT JOIN steps_of_transactions ON steps_of_transactions.step < "transaction"._arrival AND "transaction".unix_time < steps_of_transactions.newest - 100
  WHERE steps_of_transactions.step IS NULL
),
steps_of_feedback AS (SELECT _arrival AS step, MAX(unix_time) AS newest FROM feedback GROUP BY _arrival),
f AS (
  SELECT live.*
  FROM UPSERT(TABLE feedback) AS live
  LEFT JOIN steps_of_feedback s ON s.step < live._arrival AND live.unix_time < s.newest - 100
  WHERE s.step IS NULL
)
SELECT f.id, f.status, f.unix_time, t.id AS t_id, t.unix_time AS t_unix_time
FROM f ASOF LEFT JOIN t MATCH_CONDITION (f.unix_time >= t.unix_time) ON f.id = t.id
