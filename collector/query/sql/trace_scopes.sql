-- The scopes of these ids.
SELECT DISTINCT ON (scope_id) * EXCLUDE seq FROM scopes WHERE list_contains($ids::UBIGINT[], scope_id)
