-- A row is late where one of its table of an earlier step is so much newer. No auction is ever changed.
WITH steps_of_auctions AS (SELECT _arrival AS step, MAX(date_time) AS newest FROM auction GROUP BY _arrival),
a AS (
  SELECT auction.*
  FROM auction LEFT JOIN steps_of_auctions ON steps_of_auctions.step < auction._arrival AND auction.date_time < steps_of_auctions.newest - INTERVAL '1' MINUTE
  WHERE steps_of_auctions.step IS NULL
),
steps_of_bids AS (SELECT _arrival AS step, MAX(date_time) AS newest FROM bid GROUP BY _arrival),
b AS (
  SELECT bid.*
  FROM bid LEFT JOIN steps_of_bids ON steps_of_bids.step < bid._arrival AND bid.date_time < steps_of_bids.newest - INTERVAL '1' MINUTE
  WHERE steps_of_bids.step IS NULL
)
SELECT a.date_time, a.expires, a.id, b.price, b.date_time AS bid_date_time
FROM a JOIN b ON a.id = b.auction AND b.date_time BETWEEN a.date_time AND a.expires
