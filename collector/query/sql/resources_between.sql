-- The resources that sent something in a range.
SELECT DISTINCT resource_id
FROM resources_seen
WHERE tenant = $tenant AND last_ns >= $start_ns AND first_ns < $end_ns
