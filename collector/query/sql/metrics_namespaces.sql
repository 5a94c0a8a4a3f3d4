-- The namespaces of metrics, with how many metrics and series each has.
WITH seen AS (
    SELECT series_id, min(first_ns) AS first_ns, max(last_ns) AS last_ns
    FROM series_seen
    GROUP BY series_id
)
SELECT
    s.namespace AS name,
    count(DISTINCT s.name) AS metrics,
    count(*) AS series,
    coalesce(max(seen.last_ns), 0) AS last_ns
FROM series AS s
LEFT JOIN seen USING (series_id)
WHERE s.tenant = $tenant
    AND ($start_ns::BIGINT IS NULL OR seen.last_ns IS NULL OR seen.last_ns >= $start_ns)
    AND ($end_ns::BIGINT IS NULL OR seen.first_ns IS NULL OR seen.first_ns < $end_ns)
GROUP BY s.namespace
ORDER BY s.namespace
