SELECT category, AVG(closing) AS average
FROM (
  SELECT a.id, a.category, MAX(b.price) AS closing
  FROM auction a JOIN bid b ON b.auction = a.id AND b.date_time BETWEEN a.date_time AND a.expires
  GROUP BY a.id, a.category
) closed
GROUP BY category
