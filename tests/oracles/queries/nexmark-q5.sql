WITH counted AS (
  SELECT auction, COUNT(*) AS num, window_start
  FROM HOP(TABLE bid, DESCRIPTOR(date_time), INTERVAL '2' SECOND, INTERVAL '10' SECOND)
  GROUP BY auction, window_start
)
SELECT c.auction, c.num
FROM counted c
JOIN (SELECT window_start, MAX(num) AS most FROM counted GROUP BY window_start) m ON c.window_start = m.window_start AND c.num >= m.most
