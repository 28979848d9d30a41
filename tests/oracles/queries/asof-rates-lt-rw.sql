SELECT e.id, e.asset_id, e.ts, r.ts AS rate_ts, r.rate
FROM UPSERT(TABLE events) AS e
ASOF LEFT JOIN UPSERT(TABLE rates) AS r MATCH_CONDITION (e.ts < r.ts) ON e.asset_id = r.asset_id
