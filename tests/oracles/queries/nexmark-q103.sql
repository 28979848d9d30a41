SELECT a.id, a.item_name
FROM auction a JOIN (SELECT auction FROM bid GROUP BY auction HAVING COUNT(*) >= 20) b ON a.id = b.auction
