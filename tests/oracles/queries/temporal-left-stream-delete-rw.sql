SELECT s.id1, s.a1, v.id2, v.a2
FROM UPSERT(TABLE stream) AS s LEFT JOIN version FOR SYSTEM_TIME AS OF PROCTIME() AS v ON s.id1 = v.id2 AND s.a1 > v.a2
