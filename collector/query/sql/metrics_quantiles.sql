-- The value of one quantile as summaries stored it: the last one of each stream and period.
WITH picked AS (
    SELECT unnest($series::UBIGINT[]) AS series_id, unnest($lines::INTEGER[]) AS line
)
SELECT line, series_id, (time_ns - $start_ns) // $period_ns AS period, arg_max(stored, (time_ns, seq)) AS stored
FROM (
    SELECT
        line, series_id, time_ns, seq,
        quantile_values[list_position([abs(q - $quantile) < 1e-9 FOR q IN quantiles], true)] AS stored
    FROM distributions
    JOIN picked USING (series_id)
    WHERE time_ns >= $start_ns AND time_ns < $end_ns AND flags & 1 = 0
)
WHERE isfinite(stored)
GROUP BY line, series_id, period
