-- Count, sum and extremes of what histograms and summaries measured, per line of a chart (and stream, if
-- $by_series) and period. Sequences, falls and first points are treated as in metrics_increments.sql.
-- The extremes of a difference are known only where the cumulative ones moved ("Histogram": minimum and
-- maximum cannot be converted from cumulative to delta); floor and ceiling bound the unknown ones.
-- $careful and `odd`: as in metrics_increments.sql.
WITH picked AS (
    SELECT
        unnest($series::UBIGINT[]) AS series_id, unnest($lines::INTEGER[]) AS line,
        unnest($cumulative::BOOLEAN[]) AS cumulative, unnest($since_ns::BIGINT[]) AS since_ns
),
uncounted AS (
    SELECT
        unnest($uncounted_series::UBIGINT[]) AS series_id, unnest($uncounted_starts::BIGINT[]) AS start_ns,
        true AS listed
),
points AS (
    SELECT
        line, series_id, cumulative, start_ns, time_ns, seq, count::DOUBLE AS measured,
        CASE WHEN has_sum AND isfinite("sum") THEN "sum" END AS summed,
        CASE WHEN has_min_max AND isfinite("min") THEN "min" END AS low,
        CASE WHEN has_min_max AND isfinite("max") THEN "max" END AS high,
        start_ns > 0 AND start_ns < time_ns AS has_start
    FROM distributions
    JOIN picked USING (series_id)
    WHERE time_ns >= since_ns AND time_ns < $end_ns AND flags & 1 = 0
    QUALIFY NOT $careful OR lead(time_ns) OVER (PARTITION BY series_id, start_ns ORDER BY time_ns, seq) IS DISTINCT FROM time_ns
        OR NOT (cumulative OR has_start)
),
steps AS (
    SELECT
        *,
        lag(time_ns) OVER sequence AS before_ns, lag(start_ns) OVER sequence AS before_start_ns,
        lag(measured) OVER sequence AS before_measured,
        lag(summed) OVER sequence AS before_summed, lag(low) OVER sequence AS before_low,
        lag(high) OVER sequence AS before_high
    FROM points
    WINDOW sequence AS (
        PARTITION BY series_id, CASE WHEN cumulative THEN start_ns ELSE 0 END ORDER BY time_ns, seq
    )
),
whole AS (
    SELECT
        *,
        NOT cumulative OR before_ns IS NULL OR measured < before_measured AS is_whole,
        cumulative AND measured < before_measured AS fell
    FROM steps
    LEFT JOIN uncounted USING (series_id, start_ns)
    WHERE time_ns >= $start_ns
        AND (NOT cumulative OR before_ns IS NOT NULL OR (has_start AND listed IS NULL))
),
increments AS (
    SELECT
        line, series_id, time_ns, low, high, fell,
        CASE WHEN is_whole THEN measured ELSE measured - before_measured END AS measured,
        CASE WHEN is_whole THEN summed ELSE summed - before_summed END AS summed,
        CASE WHEN is_whole OR low < before_low THEN low END AS least,
        CASE WHEN is_whole OR high > before_high THEN high END AS greatest,
        CASE
            WHEN has_start AND (NOT cumulative OR before_ns IS NULL) THEN time_ns - start_ns
            ELSE time_ns - before_ns
        END AS covered_ns,
        NOT cumulative AND has_start AND start_ns < before_ns AS overlapping,
        NOT $careful AND (cumulative OR has_start) AND time_ns = before_ns AND start_ns = before_start_ns AS odd
    FROM whole
)
SELECT
    line,
    (time_ns - $start_ns) // $period_ns AS period,
    count(*) AS points,
    sum(measured) AS samples,
    CASE WHEN bool_and(summed IS NOT NULL OR measured = 0) THEN coalesce(sum(summed), 0) END AS total,
    min(least) FILTER (WHERE measured > 0) AS least,
    max(greatest) FILTER (WHERE measured > 0) AS greatest,
    min(low) FILTER (WHERE measured > 0) AS floor,
    max(high) FILTER (WHERE measured > 0) AS ceiling,
    coalesce(bool_or(least IS NULL) FILTER (WHERE measured > 0), false) AS least_open,
    coalesce(bool_or(greatest IS NULL) FILTER (WHERE measured > 0), false) AS greatest_open,
    coalesce(bool_or(low IS NULL) FILTER (WHERE measured > 0), false) AS floor_open,
    coalesce(bool_or(high IS NULL) FILTER (WHERE measured > 0), false) AS ceiling_open,
    coalesce(sum(covered_ns::DOUBLE), 0) AS covered_ns,
    coalesce(sum(measured) FILTER (WHERE covered_ns > 0), 0) AS covered,
    count(*) FILTER (WHERE fell) AS falls,
    count(*) FILTER (WHERE overlapping) AS overlapping,
    count(*) FILTER (WHERE odd) AS odd
FROM increments
GROUP BY line, CASE WHEN $by_series THEN series_id ELSE 0 END, period
