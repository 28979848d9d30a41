WITH counted AS (SELECT auction, COUNT(*) AS bid_count FROM bid GROUP BY auction)
SELECT a.id, a.item_name, c.bid_count
FROM auction a JOIN counted c ON a.id = c.auction
CROSS JOIN (SELECT COUNT(*) / COUNT(DISTINCT auction) AS mean FROM bid) m
WHERE c.bid_count >= m.mean
