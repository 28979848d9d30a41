SELECT *
FROM (
  SELECT auction, bidder, price, channel,
    CASE LOWER(channel)
      WHEN 'apple' THEN '0'
      WHEN 'google' THEN '1'
      WHEN 'facebook' THEN '2'
      WHEN 'baidu' THEN '3'
      ELSE NULLIF(SPLIT_PART(SPLIT_PART(url, '&channel_id=', 2), '&', 1), '')
    END AS channel_id
  FROM bid
) named
WHERE channel_id IS NOT NULL
