SELECT ad_id / 10 AS campaign_id, window_start, COUNT(*) AS views
FROM TUMBLE(TABLE ysb, DESCRIPTOR(event_time), INTERVAL '10' SECOND)
WHERE event_type = 'view'
GROUP BY campaign_id, window_start
