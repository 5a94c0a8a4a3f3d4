-- The resources of these ids.
SELECT DISTINCT ON (resource_id) * EXCLUDE seq FROM resources WHERE list_contains($ids::UBIGINT[], resource_id)
