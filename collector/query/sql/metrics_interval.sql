-- How often some series report, in the range: the median of the gaps between their points, each counted once.
-- A row of series_seen is a stretch of points; inside of it the gaps are taken to be equal, and a pause between two
-- stretches is one gap among many.
WITH stretches AS (
    SELECT series_id, first_ns, last_ns, points
    FROM series_seen
    WHERE series_id IN (SELECT unnest($ids::UBIGINT[])) AND last_ns >= $start_ns AND first_ns < $end_ns
),
gaps AS (
    SELECT (last_ns - first_ns) // (points - 1) AS gap, points - 1 AS amount FROM stretches WHERE points > 1
    UNION ALL
    SELECT gap, 1
    FROM (SELECT first_ns - lag(last_ns) OVER (PARTITION BY series_id ORDER BY first_ns, last_ns) AS gap FROM stretches)
    WHERE gap > 0
),
ranked AS (
    SELECT
        gap, sum(amount) OVER (ORDER BY gap ROWS UNBOUNDED PRECEDING) AS reached, sum(amount) OVER () AS total
    FROM gaps
)
SELECT coalesce(min(gap) FILTER (2 * reached >= total), 0)::BIGINT AS interval_ns FROM ranked
