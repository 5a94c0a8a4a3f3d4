-- What the resources of services say of them, by the attributes $keys: a text each, '' for none. Of services none
-- of whose resources says anything there is no row.
WITH saying AS (
    SELECT
        shape,
        list_transform($keys::VARCHAR[], lambda key: CASE
            WHEN substring(types, list_position(keys, key)::BIGINT, 1) IN ('s', 'i') THEN list_position(keys, key)
        END) AS places
    FROM shapes
    WHERE list_has_any(keys, $keys::VARCHAR[])
),
named AS (
    SELECT
        r.resource_id, r.service, list_transform(
            coalesce(places, list_transform($keys::VARCHAR[], lambda key: NULL::INTEGER)),
            lambda place: coalesce(string_split(r.attrs, chr(31))[place], '')
        ) AS said
    FROM resources AS r LEFT JOIN saying USING (shape)
    WHERE r.service IN (SELECT service FROM resources SEMI JOIN saying USING (shape))
)
SELECT service, said, list(resource_id) AS ids
FROM named
GROUP BY ALL
