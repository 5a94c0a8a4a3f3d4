-- The resources that sent something in a range and say what X-Ray would call them, with the keys and types of
-- their attributes and how many spans they sent.
WITH saying AS (SELECT shape, keys, types FROM shapes WHERE list_has_any(keys, $keys::VARCHAR[]))
SELECT r.resource_id, r.service, saying.keys, saying.types, r.attrs, sum(seen.items)::BIGINT AS items
FROM saying JOIN resources AS r USING (shape) JOIN resources_seen AS seen USING (resource_id)
WHERE seen.tenant = $tenant AND seen.last_ns >= $start_ns AND seen.first_ns < $end_ns
GROUP BY ALL
