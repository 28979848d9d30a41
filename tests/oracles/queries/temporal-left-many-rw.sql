-- A table that only grows, as it was when the row arrived.
SELECT s.a1, v.a2
FROM stream s LEFT JOIN version v ON s.a1 = v.a2 AND v._arrival < s._arrival
