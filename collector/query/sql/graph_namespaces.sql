-- The namespaces of services that sent something in a range.
SELECT DISTINCT r.service, r.namespace
FROM resources_seen AS seen JOIN resources AS r USING (resource_id)
WHERE seen.tenant = $tenant AND seen.last_ns >= $start_ns AND seen.first_ns < $end_ns
