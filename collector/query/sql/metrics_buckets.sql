-- The buckets of what histograms measured, per line of a chart and period.
-- A difference of cumulative points is the later point's buckets in its period, less the earlier one's in the
-- same period; points inside a period cancel out, so that only those at its ends are looked into.
-- place: 0 buckets of a histogram, and the positive ones of an exponential histogram; 1 negative; 2 zero bucket.
WITH picked AS (
    SELECT
        unnest($series::UBIGINT[]) AS series_id, unnest($lines::INTEGER[]) AS line,
        unnest($cumulative::BOOLEAN[]) AS cumulative, unnest($since_ns::BIGINT[]) AS since_ns,
        unnest($bounds::INTEGER[]) AS bounds_id
),
uncounted AS (
    SELECT
        unnest($uncounted_series::UBIGINT[]) AS series_id, unnest($uncounted_starts::BIGINT[]) AS start_ns,
        true AS listed
),
points AS (
    SELECT
        line, series_id, cumulative, bounds_id, start_ns, time_ns, seq, count AS measured, counts, scale,
        "offset", zero_count, zero_threshold, negative_offset, negative_counts,
        start_ns > 0 AND start_ns < time_ns AS has_start,
        CASE WHEN time_ns < $start_ns THEN -1 ELSE (time_ns - $start_ns) // $period_ns END AS period
    FROM distributions
    JOIN picked USING (series_id)
    WHERE time_ns >= since_ns AND time_ns < $end_ns AND flags & 1 = 0
    QUALIFY lead(time_ns) OVER (PARTITION BY series_id, start_ns ORDER BY time_ns, seq) IS DISTINCT FROM time_ns
        OR NOT (cumulative OR has_start)
),
steps AS (
    SELECT
        points.*,
        listed,
        lag(time_ns) OVER sequence IS NULL AS is_first,
        lead(period) OVER sequence AS next_period,
        lead(measured) OVER sequence < measured AS next_fell
    FROM points
    LEFT JOIN uncounted USING (series_id, start_ns)
    WINDOW sequence AS (
        PARTITION BY series_id, CASE WHEN cumulative THEN start_ns ELSE 0 END ORDER BY time_ns, seq
    )
),
signed AS (
    SELECT *, period AS cell, 1 AS sign
    FROM steps
    WHERE period >= 0 AND (NOT cumulative OR next_period IS NULL OR next_fell OR next_period <> period)
    UNION ALL
    SELECT *, next_period AS cell, -1 AS sign
    FROM steps
    WHERE cumulative AND next_period >= 0 AND NOT next_fell AND next_period <> period
    UNION ALL
    SELECT *, period AS cell, -1 AS sign
    FROM steps
    WHERE cumulative AND is_first AND period >= 0 AND (NOT has_start OR listed)
),
flat AS (
    SELECT
        line, cell, bounds_id, scale, 0 AS place, unnest(counts) AS measured,
        "offset"::BIGINT + generate_subscripts(counts, 1) - 1 AS index, sign, 0.0 AS threshold
    FROM signed
    UNION ALL
    SELECT
        line, cell, bounds_id, scale, 1, unnest(negative_counts),
        negative_offset::BIGINT + generate_subscripts(negative_counts, 1) - 1, sign, 0.0
    FROM signed
    UNION ALL
    SELECT line, cell, bounds_id, scale, 2, zero_count, 0, sign, zero_threshold
    FROM signed
    WHERE zero_count > 0
)
SELECT
    line, cell AS period, bounds_id, scale, place, index, threshold,
    sum(measured::DOUBLE * sign) AS measured
FROM flat
WHERE measured > 0
GROUP BY ALL
