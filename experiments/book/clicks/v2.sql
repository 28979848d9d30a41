-- Visitors per page.
SELECT url, COUNT(DISTINCT "user") AS visitors
FROM clicks
GROUP BY url
