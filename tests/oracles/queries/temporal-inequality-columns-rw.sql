SELECT s.id1, v.b2, v.id2
FROM stream s JOIN version FOR SYSTEM_TIME AS OF PROCTIME() AS v ON s.a1 > v.a2
