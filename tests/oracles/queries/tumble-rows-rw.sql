SELECT row_id, uid, created_at, window_start, window_end
FROM TUMBLE(TABLE t1, DESCRIPTOR(created_at), INTERVAL '30' MINUTE)
