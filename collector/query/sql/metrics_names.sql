-- The metrics of a namespace ('' for all) whose name contains every one of $words, with their series.
WITH seen AS (
    SELECT series_id, min(first_ns) AS first_ns, max(last_ns) AS last_ns
    FROM series_seen
    GROUP BY series_id
)
SELECT
    s.namespace, s.name,
    list_sort(list(DISTINCT s.type)) AS types,
    list_sort(list(DISTINCT s.unit)) AS units,
    arg_max(s.description, coalesce(seen.last_ns, 0)) AS description,
    bool_or(s.monotonic) AS monotonic,
    count(*) AS series,
    coalesce(max(seen.last_ns), 0) AS last_ns
FROM series AS s
LEFT JOIN seen USING (series_id)
WHERE s.tenant = $tenant
    AND ($namespace = '' OR s.namespace = $namespace)
    AND coalesce(list_bool_and([contains(lower(s.name), word) FOR word IN $words::VARCHAR[]]), true)
    AND ($start_ns::BIGINT IS NULL OR seen.last_ns IS NULL OR seen.last_ns >= $start_ns)
    AND ($end_ns::BIGINT IS NULL OR seen.first_ns IS NULL OR seen.first_ns < $end_ns)
GROUP BY s.namespace, s.name
ORDER BY s.namespace, s.name
LIMIT $limit
