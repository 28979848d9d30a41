-- A row is late where one of an earlier step is so much newer.
WITH steps AS (SELECT _arrival AS step, MAX(ts) AS newest FROM ttl_ao_rowid_ev GROUP BY _arrival),
accepted AS (
  SELECT ttl_ao_rowid_ev.*
  FROM ttl_ao_rowid_ev LEFT JOIN steps ON steps.step < ttl_ao_rowid_ev._arrival AND ttl_ao_rowid_ev.ts < steps.newest - 10
  WHERE steps.step IS NULL
)
SELECT * FROM accepted
