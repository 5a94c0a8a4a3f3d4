-- Samples of gauges and of sums that go up and down, per line of a chart (and stream, if $by_series) and period.
-- A stream has one value at a time: of several with the same time the one that came last counts.
WITH picked AS (
    SELECT unnest($series::UBIGINT[]) AS series_id, unnest($lines::INTEGER[]) AS line
),
samples AS (
    SELECT line, series_id, time_ns, arg_max(value, seq) AS value
    FROM numbers
    JOIN picked USING (series_id)
    WHERE time_ns >= $start_ns AND time_ns < $end_ns AND flags & 1 = 0 AND isfinite(value)
    GROUP BY ALL
)
SELECT
    line,
    (time_ns - $start_ns) // $period_ns AS period,
    count(*) AS samples,
    sum(value) AS total,
    min(value) AS least,
    max(value) AS greatest,
    arg_max(value, time_ns) AS last,
    quantile_cont(value, $quantile) FILTER (WHERE $percentile) AS percentile
FROM samples
GROUP BY line, CASE WHEN $by_series THEN series_id ELSE 0 END, period
