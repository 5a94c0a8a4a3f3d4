-- The resource that each of these services sent spans with last in a range, with its attributes.
SELECT
    r.service, arg_max(struct_pack(keys := s.keys, types := s.types, attrs := r.attrs), seen.last_ns) AS latest
FROM resources_seen AS seen
JOIN (SELECT DISTINCT ON (resource_id) resource_id, service, shape, attrs FROM resources) AS r USING (resource_id)
JOIN (SELECT DISTINCT ON (shape) shape, keys, types FROM shapes) AS s USING (shape)
WHERE
    seen.tenant = $tenant AND seen.last_ns >= $start_ns AND seen.first_ns < $end_ns
    AND list_contains($services::VARCHAR[], r.service)
GROUP BY r.service
