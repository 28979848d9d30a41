SELECT AVG(distance) AS avg_distance, DATE_TRUNC('day', pickup) AS day
FROM series CROSS JOIN (SELECT MAX(pickup) - INTERVAL '1' HOUR AS mark FROM series) w
WHERE pickup < mark
GROUP BY 2
