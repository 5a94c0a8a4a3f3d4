-- The streams of points of one metric, with their dimensions, who sends them, and since when.
-- $start_ns, $end_ns: only streams that may have a point in the range; NULL for all.
SELECT
    s.series_id, s.unit, s.description, s.type, s.temporality, s.monotonic, s.service, s.resource_id, s.bounds,
    coalesce(k.keys, []) AS keys, s.attrs,
    coalesce(rk.keys, []) AS resource_keys, coalesce(r.attrs, '') AS resource_attrs,
    seen.first_ns, seen.last_ns, coalesce(seen.points, 0) AS points
FROM series AS s
LEFT JOIN (
    SELECT series_id, min(first_ns) AS first_ns, max(last_ns) AS last_ns, sum(points)::BIGINT AS points
    FROM series_seen
    GROUP BY series_id
) AS seen USING (series_id)
LEFT JOIN shapes AS k ON k.shape = s.shape
LEFT JOIN resources AS r ON r.resource_id = s.resource_id
LEFT JOIN shapes AS rk ON rk.shape = r.shape
WHERE s.tenant = $tenant AND s.namespace = $namespace AND s.name = $name
    AND ($start_ns::BIGINT IS NULL OR seen.last_ns IS NULL OR seen.last_ns >= $start_ns)
    AND ($end_ns::BIGINT IS NULL OR seen.first_ns IS NULL OR seen.first_ns < $end_ns)
ORDER BY s.attrs, s.service, s.series_id
LIMIT $limit
