SELECT sensor, EXTRACT(HOUR FROM "time") AS hour, window_start, window_end, COUNT(*) AS measurements, AVG(watts) AS mean
FROM HOP(TABLE theodolite, DESCRIPTOR("time"), INTERVAL '1' DAY, INTERVAL '30' DAY)
GROUP BY sensor, hour, window_start, window_end
