-- The flags of the last point of some streams.
WITH picked AS (
    SELECT unnest($series::UBIGINT[]) AS series_id, unnest($last_ns::BIGINT[]) AS time_ns
),
points AS (
    SELECT series_id, time_ns, seq, flags FROM numbers WHERE time_ns >= $start_ns AND time_ns < $end_ns
    UNION ALL
    SELECT series_id, time_ns, seq, flags FROM distributions WHERE time_ns >= $start_ns AND time_ns < $end_ns
)
SELECT series_id, arg_max(flags, seq) AS flags
FROM points
JOIN picked USING (series_id, time_ns)
GROUP BY series_id
