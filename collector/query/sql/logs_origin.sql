-- The resource and the scope of a log record.
SELECT
    coalesce(r.schema_url, '') AS schema_url, coalesce(rk.keys, []) AS keys, coalesce(rk.types, '') AS types,
    coalesce(r.attrs, '') AS attrs,
    coalesce(s.name, '') AS scope_name, coalesce(s.version, '') AS scope_version,
    coalesce(sk.keys, []) AS scope_keys, coalesce(sk.types, '') AS scope_types, coalesce(s.attrs, '') AS scope_attrs
FROM (SELECT $resource_id::UBIGINT AS resource_id, $scope_id::UBIGINT AS scope_id) AS wanted
LEFT JOIN resources AS r USING (resource_id)
LEFT JOIN shapes AS rk ON rk.shape = r.shape
LEFT JOIN scopes AS s ON s.scope_id = wanted.scope_id
LEFT JOIN shapes AS sk ON sk.shape = s.shape
