-- The resource and the scope of a log record.
SELECT
    r.schema_url, coalesce(rk.keys, []) AS keys, coalesce(rk.types, '') AS types, r.attrs,
    coalesce(s.name, '') AS scope_name, coalesce(s.version, '') AS scope_version,
    coalesce(sk.keys, []) AS scope_keys, coalesce(sk.types, '') AS scope_types, coalesce(s.attrs, '') AS scope_attrs
FROM resources AS r
LEFT JOIN shapes AS rk ON rk.shape = r.shape
LEFT JOIN scopes AS s ON s.scope_id = $scope_id
LEFT JOIN shapes AS sk ON sk.shape = s.shape
WHERE r.resource_id = $resource_id
