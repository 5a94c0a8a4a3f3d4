-- What sums grew by, per line of a chart (and stream, if $by_series) and period.
-- A cumulative stream is a set of sequences with one start time each; a point of a sequence adds its difference
-- to the point before, or its whole value after a fall (a reset nobody told of), and the first one its whole
-- value when the start is known, earlier than the point, and not listed in $uncounted_….
-- $careful: of points sent twice only the one that came last counts, and large integers are subtracted exactly.
-- Without it both are only told of (`odd`), which takes half the time; the caller asks again where there are any.
WITH picked AS (
    SELECT
        unnest($series::UBIGINT[]) AS series_id, unnest($lines::INTEGER[]) AS line,
        unnest($cumulative::BOOLEAN[]) AS cumulative, unnest($monotonic::BOOLEAN[]) AS monotonic,
        unnest($since_ns::BIGINT[]) AS since_ns
),
uncounted AS (
    SELECT
        unnest($uncounted_series::UBIGINT[]) AS series_id, unnest($uncounted_starts::BIGINT[]) AS start_ns,
        true AS listed
),
points AS (
    SELECT
        line, series_id, cumulative, monotonic, start_ns, time_ns, value, value_int, is_int, seq,
        start_ns > 0 AND start_ns < time_ns AS has_start
    FROM numbers
    JOIN picked USING (series_id)
    WHERE time_ns >= since_ns AND time_ns < $end_ns AND flags & 1 = 0 AND isfinite(value)
    QUALIFY NOT $careful OR lead(time_ns) OVER (PARTITION BY series_id, start_ns ORDER BY time_ns, seq) IS DISTINCT FROM time_ns
        OR NOT (cumulative OR has_start)
),
steps AS (
    SELECT
        *,
        lag(time_ns) OVER sequence AS before_ns, lag(value) OVER sequence AS before,
        lag(start_ns) OVER sequence AS before_start_ns,
        lag(value_int) OVER sequence AS before_int, lag(is_int) OVER sequence AS before_is_int
    FROM points
    WINDOW sequence AS (
        PARTITION BY series_id, CASE WHEN cumulative THEN start_ns ELSE 0 END ORDER BY time_ns, seq
    )
),
increments AS (
    SELECT
        line, series_id, time_ns,
        CASE
            WHEN NOT cumulative OR before_ns IS NULL OR (monotonic AND value < before) THEN value
            WHEN $careful AND is_int AND before_is_int
                THEN (value_int::HUGEINT - before_int::HUGEINT)::DOUBLE
            ELSE value - before
        END AS increment,
        CASE
            WHEN has_start AND (NOT cumulative OR before_ns IS NULL) THEN time_ns - start_ns
            ELSE time_ns - before_ns
        END AS covered_ns,
        cumulative AND monotonic AND value < before AS fell,
        NOT cumulative AND has_start AND start_ns < before_ns AS overlapping,
        NOT $careful AND (
            (cumulative OR has_start) AND time_ns = before_ns AND start_ns = before_start_ns
            OR cumulative AND is_int AND abs(value) >= 9007199254740992
        ) AS odd
    FROM steps
    LEFT JOIN uncounted USING (series_id, start_ns)
    WHERE time_ns >= $start_ns
        AND (NOT cumulative OR before_ns IS NOT NULL OR (has_start AND listed IS NULL))
)
SELECT
    line,
    (time_ns - $start_ns) // $period_ns AS period,
    count(*) AS samples,
    sum(increment) AS total,
    min(increment) AS least,
    max(increment) AS greatest,
    arg_max(increment, time_ns) AS last,
    coalesce(sum(covered_ns::DOUBLE), 0) AS covered_ns,
    coalesce(sum(increment) FILTER (WHERE covered_ns > 0), 0) AS covered,
    count(*) FILTER (WHERE fell) AS falls,
    count(*) FILTER (WHERE overlapping) AS overlapping,
    count(*) FILTER (WHERE odd) AS odd,
    quantile_cont(increment, $quantile) FILTER (WHERE $percentile) AS percentile
FROM increments
GROUP BY line, CASE WHEN $by_series THEN series_id ELSE 0 END, period
