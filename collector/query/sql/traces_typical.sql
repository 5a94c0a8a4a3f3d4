-- The matching trace whose duration is nearest to the median of all of them.
, light AS MATERIALIZED (
    SELECT trace_hi, trace_lo, duration_ns FROM matched
),
median AS (
    SELECT quantile_disc(duration_ns, 0.5) AS duration_ns FROM light
)
SELECT trace_hi, trace_lo
FROM light, median
ORDER BY abs(light.duration_ns - median.duration_ns), trace_hi, trace_lo
LIMIT 1
