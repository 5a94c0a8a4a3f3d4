-- The resources that sent something in a range, with the keys and types of their attributes and how many spans.
SELECT r.resource_id, r.service, coalesce(h.keys, []) AS keys, coalesce(h.types, '') AS types, r.attrs, seen.items
FROM (
    SELECT resource_id, sum(items)::BIGINT AS items
    FROM resources_seen
    WHERE tenant = $tenant AND last_ns >= $start_ns AND first_ns < $end_ns
    GROUP BY resource_id
) AS seen
JOIN resources AS r USING (resource_id)
LEFT JOIN shapes AS h USING (shape)
