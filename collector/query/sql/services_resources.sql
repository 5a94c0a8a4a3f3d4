-- The resources that sent spans since $since_ns, and when they were first and last seen.
SELECT resource_id, min(first_ns) AS first_ns, max(last_ns) AS last_ns
FROM resources_seen
WHERE tenant = $tenant AND last_ns >= $since_ns AND first_ns < $end_ns
GROUP BY resource_id
