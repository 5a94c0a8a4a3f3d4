-- The unbroken sequences (one start time each) of cumulative streams that reach into a range:
-- the last point before the range and the first one in it. $since_ns: how far back to look.
WITH picked AS (
    SELECT unnest($series::UBIGINT[]) AS series_id
),
points AS (
    SELECT series_id, start_ns, time_ns, flags FROM numbers
    UNION ALL
    SELECT series_id, start_ns, time_ns, flags FROM distributions
)
SELECT
    series_id, start_ns,
    max(time_ns) FILTER (WHERE time_ns < $start_ns) AS before_ns,
    min(time_ns) FILTER (WHERE time_ns >= $start_ns) AS first_ns,
    max(time_ns) AS last_ns
FROM points
JOIN picked USING (series_id)
WHERE time_ns >= $since_ns AND time_ns < $end_ns AND flags & 1 = 0
GROUP BY series_id, start_ns
