SELECT COUNT(DISTINCT event_type_id) AS event_type_count FROM event_t
