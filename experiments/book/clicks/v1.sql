-- Visitors per page: this counts clicks, not visitors.
SELECT url, COUNT("user") AS visitors
FROM clicks
GROUP BY url
