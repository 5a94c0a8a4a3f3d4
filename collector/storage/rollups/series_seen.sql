-- Metric series: first and last point, how many points.

-- name: roll
INSERT INTO live_metrics.series_seen
SELECT $until, series_id, min(time_ns), max(time_ns), count(*)
FROM (
    SELECT seq, series_id, time_ns FROM numbers
    UNION ALL
    SELECT seq, series_id, time_ns FROM distributions
)
WHERE seq > $after AND seq <= $until
GROUP BY ALL;

-- name: flush
INSERT INTO series_seen
SELECT $until, series_id, min(first_ns), max(last_ns), sum(points)
FROM live_metrics.series_seen
WHERE seq > $after
GROUP BY ALL
ORDER BY series_id;
