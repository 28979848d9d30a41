-- A table that only grows, as it was when the row arrived.
SELECT s.a1, v.a2, v.b2
FROM stream s LEFT JOIN version v ON s.a1 = v.a2 AND s.b1 > v.b2 AND v._arrival < s._arrival
