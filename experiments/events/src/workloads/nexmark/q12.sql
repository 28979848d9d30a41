SELECT bidder, COUNT(*) AS bids, window_start, window_end
FROM TUMBLE(TABLE bid, DESCRIPTOR(arrived), INTERVAL '10' SECOND)
GROUP BY bidder, window_start, window_end
