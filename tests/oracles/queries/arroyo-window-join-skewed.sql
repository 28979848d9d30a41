WITH counted AS (
  SELECT DISTINCT window_start, counter FROM TUMBLE(TABLE impulse, DESCRIPTOR("timestamp"), INTERVAL '1' SECOND)
)
SELECT a.window_start AS start, a.counter FROM counted a JOIN counted b ON a.counter = b.counter
