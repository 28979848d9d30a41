WITH p AS (
  SELECT id, name, window_start FROM TUMBLE(TABLE person, DESCRIPTOR(date_time), INTERVAL '10' SECOND)
),
a AS (
  SELECT DISTINCT seller, window_start FROM TUMBLE(TABLE auction, DESCRIPTOR(date_time), INTERVAL '10' SECOND)
)
SELECT DISTINCT p.id, p.name, p.window_start
FROM p JOIN a ON p.id = a.seller AND p.window_start = a.window_start
