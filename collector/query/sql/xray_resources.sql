-- The resources of services whose resources say what X-Ray would call them, with the keys and types of their
-- attributes.
WITH named AS (
    SELECT r.resource_id, r.service, r.attrs, coalesce(h.keys, []) AS keys, coalesce(h.types, '') AS types
    FROM resources AS r LEFT JOIN shapes AS h USING (shape)
)
SELECT * FROM named WHERE service IN (SELECT service FROM named WHERE list_has_any(keys, $keys::VARCHAR[]))
