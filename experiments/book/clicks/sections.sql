-- Visitors per section of the site; of pages that are not known yet, under NULL.
SELECT p.section, COUNT(DISTINCT c."user") AS visitors, SUM(c.duration_ms) AS ms
FROM clicks c LEFT JOIN pages p ON p.url = c.url
GROUP BY p.section
