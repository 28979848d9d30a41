WITH few AS (SELECT counter FROM impulse WHERE counter < 3)
SELECT l.counter AS left_counter, r.counter_mod_2, r.right_count
FROM few l RIGHT JOIN (SELECT counter % 2 AS counter_mod_2, COUNT(*) AS right_count FROM few GROUP BY 1) r ON l.counter = r.right_count
