SELECT auction, bidder, price, date_time,
  LEFT(CAST(date_time AS TEXT), 10) AS date,
  RIGHT('0' || CAST((EXTRACT(HOUR FROM date_time) + 11) % 12 + 1 AS TEXT), 2) || SUBSTRING(CAST(date_time AS TEXT) FROM 14 FOR 3) AS time
FROM bid
