WITH l AS (SELECT * FROM TUMBLE(TABLE lefttable, DESCRIPTOR(row_time), INTERVAL '5' MINUTE)),
r AS (SELECT * FROM TUMBLE(TABLE righttable, DESCRIPTOR(row_time), INTERVAL '5' MINUTE))
SELECT l.num AS l_num, l.id AS l_id, r.num AS r_num, r.id AS r_id,
  COALESCE(l.window_start, r.window_start) AS window_start, COALESCE(l.window_end, r.window_end) AS window_end
FROM l FULL JOIN r ON l.num = r.num AND l.window_start = r.window_start
