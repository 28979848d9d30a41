SELECT a.counter AS left_count, b.counter AS right_count
FROM impulse a JOIN (SELECT counter FROM impulse WHERE counter % 2 = 1) b ON a.counter = b.counter
