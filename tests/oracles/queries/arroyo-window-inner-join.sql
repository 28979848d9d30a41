WITH dropoffs AS (
  SELECT window_start, COUNT(DISTINCT driver_id) AS drivers
  FROM TUMBLE(TABLE cars, DESCRIPTOR("timestamp"), INTERVAL '1' HOUR)
  WHERE event_type = 'dropoff'
  GROUP BY window_start
),
pickups AS (
  SELECT window_start, COUNT(DISTINCT driver_id) AS pickups
  FROM TUMBLE(TABLE cars, DESCRIPTOR("timestamp"), INTERVAL '1' HOUR)
  WHERE event_type = 'pickup'
  GROUP BY window_start
)
SELECT window_start AS hour, drivers, pickups FROM dropoffs JOIN pickups USING (window_start)
