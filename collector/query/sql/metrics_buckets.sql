-- The buckets of what histograms measured, per line of a chart and period.
-- What a cumulative stream measured in a period is its last point there (+), less its last one before (-): points
-- inside a period cancel out, so only those at the ends are looked into. A point before a fall ends a stretch of
-- its own; a first point that must not count is taken away from itself.
-- $careful: of points sent twice only the one that came last counts.
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
        series_id, cumulative, start_ns, time_ns, seq, count AS measured,
        start_ns > 0 AND start_ns < time_ns AS has_start,
        CASE WHEN time_ns < $start_ns THEN -1 ELSE (time_ns - $start_ns) // $period_ns END AS period
    FROM distributions
    JOIN picked USING (series_id)
    WHERE (cumulative OR $careful AND start_ns > 0 AND start_ns < time_ns)
        AND time_ns >= since_ns AND time_ns < $end_ns AND flags & 1 = 0
    QUALIFY NOT $careful
        OR lead(time_ns) OVER (PARTITION BY series_id, start_ns ORDER BY time_ns, seq) IS DISTINCT FROM time_ns
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
marks AS (
    SELECT series_id, start_ns, time_ns, seq, unnest([
        CASE
            WHEN period >= 0 AND (NOT cumulative OR next_period IS NULL OR next_fell OR next_period <> period)
            THEN {cell: period, sign: 1}
        END,
        CASE
            WHEN cumulative AND next_period >= 0 AND NOT next_fell AND next_period <> period
            THEN {cell: next_period, sign: -1}
        END,
        CASE
            WHEN cumulative AND is_first AND period >= 0 AND (NOT has_start OR listed)
            THEN {cell: period, sign: -1}
        END
    ]) AS mark
    FROM steps
),
signed AS (
    SELECT
        line, bounds_id, mark.cell AS cell, mark.sign AS sign,
        counts, scale, "offset", zero_count, zero_threshold, negative_offset, negative_counts
    FROM distributions AS d
    JOIN (SELECT * FROM marks WHERE mark IS NOT NULL) AS m USING (series_id, start_ns, time_ns, seq)
    JOIN picked USING (series_id)
    QUALIFY NOT $careful OR row_number() OVER (PARTITION BY series_id, start_ns, time_ns, seq, mark) = 1
    UNION ALL
    SELECT
        line, bounds_id, (time_ns - $start_ns) // $period_ns AS cell, 1 AS sign,
        counts, scale, "offset", zero_count, zero_threshold, negative_offset, negative_counts
    FROM distributions
    JOIN picked USING (series_id)
    WHERE NOT cumulative AND NOT ($careful AND start_ns > 0 AND start_ns < time_ns)
        AND time_ns >= $start_ns AND time_ns < $end_ns AND flags & 1 = 0
),
flat AS (
    SELECT
        line, cell, bounds_id, scale, sign, zero_threshold, "offset", negative_offset,
        len(counts) AS positive, len(negative_counts) AS negative,
        unnest(CASE
            WHEN $exponential THEN list_concat(counts, negative_counts, [zero_count])
            ELSE counts
        END) AS measured,
        generate_subscripts(CASE
            WHEN $exponential THEN list_concat(counts, negative_counts, [zero_count])
            ELSE counts
        END, 1) - 1 AS position
    FROM signed
)
SELECT
    line, cell AS period, bounds_id, scale,
    CASE WHEN position < positive THEN 0 WHEN position < positive + negative THEN 1 ELSE 2 END AS place,
    CASE
        WHEN position < positive THEN "offset"::BIGINT + position
        WHEN position < positive + negative THEN negative_offset::BIGINT + position - positive
        ELSE 0
    END AS index,
    CASE WHEN position >= positive + negative THEN zero_threshold ELSE 0 END AS threshold,
    sum(measured::DOUBLE * sign) AS measured
FROM flat
WHERE measured > 0
GROUP BY ALL
