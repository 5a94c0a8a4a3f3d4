-- The quantiles that summaries hold.
WITH picked AS (
    SELECT unnest($series::UBIGINT[]) AS series_id
)
SELECT DISTINCT unnest(quantiles) AS quantile
FROM distributions
JOIN picked USING (series_id)
WHERE time_ns >= $start_ns AND time_ns < $end_ns AND flags & 1 = 0
ORDER BY quantile
