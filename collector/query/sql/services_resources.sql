-- What is known of the resources that sent spans since $since_ns, and when they were first and last seen.
SELECT
    r.service, r.namespace, r.version, r.instance, r.language, r.environment, r.resource_id,
    min(seen.first_ns) AS first_ns, max(seen.last_ns) AS last_ns
FROM resources_seen AS seen JOIN resources AS r USING (resource_id)
WHERE
    seen.tenant = $tenant AND seen.last_ns >= $since_ns AND seen.first_ns < $end_ns
    AND ($service = '' OR r.service = $service)
GROUP BY ALL
