SELECT sensor, window_start, COUNT(*) AS measurements, AVG(watts) AS mean, VAR_POP(watts) AS variance, MIN(watts) AS least, MAX(watts) AS greatest
FROM TUMBLE(TABLE theodolite, DESCRIPTOR("time"), INTERVAL '1' MINUTE)
GROUP BY sensor, window_start
