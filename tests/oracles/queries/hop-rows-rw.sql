SELECT row_id, uid, created_at, window_start, window_end
FROM HOP(TABLE t1, DESCRIPTOR(created_at), INTERVAL '15' MINUTE, INTERVAL '30' MINUTE)
