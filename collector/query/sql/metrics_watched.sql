-- Since when anything is known of each of some resources, and of each of their streams.
SELECT
    s.series_id,
    min(seen.first_ns) AS series_ns,
    min(min(seen.first_ns)) OVER (PARTITION BY s.resource_id) AS resource_ns
FROM series AS s
JOIN series_seen AS seen USING (series_id)
WHERE s.resource_id IN (SELECT unnest($resources::UBIGINT[]))
GROUP BY s.resource_id, s.series_id
