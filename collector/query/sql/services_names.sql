-- The names of all services that are kept.
SELECT DISTINCT r.service
FROM resources_seen AS seen JOIN resources AS r USING (resource_id)
WHERE seen.tenant = $tenant AND contains(lower(r.service), lower($prefix))
ORDER BY r.service
LIMIT $limit
