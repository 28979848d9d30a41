SELECT a.id, a.item_name, b.highest_bid
FROM auction a LEFT JOIN (SELECT auction, MAX(price) AS highest_bid FROM bid GROUP BY auction) b ON a.id = b.auction
