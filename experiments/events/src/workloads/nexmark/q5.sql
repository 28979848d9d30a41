SELECT c.window_start, c.window_end, c.auction, c.bids
FROM (
  SELECT auction, COUNT(*) AS bids, window_start, window_end
  FROM HOP(TABLE bid, DESCRIPTOR(date_time), INTERVAL '2' SECOND, INTERVAL '10' SECOND)
  GROUP BY auction, window_start, window_end
) c
JOIN (
  SELECT MAX(bids) AS most, window_start
  FROM (
    SELECT auction, COUNT(*) AS bids, window_start, window_end
    FROM HOP(TABLE bid, DESCRIPTOR(date_time), INTERVAL '2' SECOND, INTERVAL '10' SECOND)
    GROUP BY auction, window_start, window_end
  ) counted
  GROUP BY window_start
) m ON c.window_start = m.window_start AND c.bids >= m.most
