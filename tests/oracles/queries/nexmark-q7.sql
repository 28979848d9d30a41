SELECT b.auction, b.price, b.bidder, b.date_time
FROM bid b
JOIN (
  SELECT MAX(price) AS most, window_end
  FROM TUMBLE(TABLE bid, DESCRIPTOR(date_time), INTERVAL '10' SECOND)
  GROUP BY window_end
) w ON b.price = w.most AND b.date_time BETWEEN w.window_end - INTERVAL '10' SECOND AND w.window_end
