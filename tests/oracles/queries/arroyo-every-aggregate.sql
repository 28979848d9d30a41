WITH points AS (
  SELECT event_type, driver_id AS y, EXTRACT(EPOCH FROM "timestamp") AS x FROM cars
)
SELECT
  event_type,
  ROUND(AVG(y), 4) AS avg_driver,
  BIT_AND(y) AS bit_and_driver,
  BIT_OR(y) AS bit_or_driver,
  BIT_XOR(y) AS bit_xor_driver,
  BOOL_AND(y > 0) AS bool_and_driver,
  BOOL_OR(y > 0) AS bool_or_driver,
  COUNT(y) AS cnt,
  MAX(y) AS max_driver,
  MEDIAN(y) AS median_driver,
  MIN(y) AS min_driver,
  SUM(y) AS sum_driver,
  ROUND(CORR(y, x), 4) AS corr_driver_ts,
  ROUND(COVAR_POP(y, x), 4) AS covar_pop_driver_ts,
  ROUND(COVAR_SAMP(y, x), 4) AS covar_samp_driver_ts,
  ROUND(STDDEV(y), 4) AS stddev_driver,
  ROUND(STDDEV_POP(y), 4) AS stddev_pop_driver,
  ROUND(VARIANCE(y), 4) AS var_driver,
  ROUND(VAR_POP(y), 4) AS var_pop_driver,
  ROUND(REGR_SLOPE(y, x), 4) AS regr_slope,
  ROUND(REGR_AVGX(y, x), 4) AS regr_avgx,
  ROUND(REGR_AVGY(y, x), 4) AS regr_avgy,
  REGR_COUNT(y, x) AS regr_count,
  ROUND(REGR_INTERCEPT(y, x), 4) AS regr_intercept,
  ROUND(REGR_R2(y, x), 4) AS regr_r2,
  ROUND(REGR_SXX(y, x), 4) AS regr_sxx,
  ROUND(REGR_SYY(y, x), 4) AS regr_syy,
  ROUND(REGR_SXY(y, x), 4) AS regr_sxy
FROM points
GROUP BY event_type
