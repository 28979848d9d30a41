SELECT * FROM cars WHERE driver_id = 100 AND event_type = 'pickup'
UNION ALL
SELECT * FROM cars WHERE driver_id = 101 AND event_type = 'dropoff'
