WITH driven AS (
  SELECT window_start, window_end, driver_id, COUNT(*) AS count
  FROM HOP(TABLE cars, DESCRIPTOR("timestamp"), INTERVAL '40' MINUTE, INTERVAL '1' HOUR)
  GROUP BY window_start, window_end, driver_id
)
SELECT *
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY count DESC, driver_id DESC) AS row_number
  FROM driven
) ranked
WHERE row_number = 1
