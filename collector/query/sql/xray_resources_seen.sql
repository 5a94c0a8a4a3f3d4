-- What the resources that sent something in a range say of their services, by the attributes $keys, and how many
-- spans they sent; only of those that say something.
WITH saying AS (
    SELECT
        shape,
        list_transform($keys::VARCHAR[], lambda key: CASE
            WHEN substring(types, list_position(keys, key)::BIGINT, 1) IN ('s', 'i') THEN list_position(keys, key)
        END) AS places
    FROM shapes
    WHERE list_has_any(keys, $keys::VARCHAR[])
)
SELECT
    r.service, list_transform(places, lambda place: coalesce(string_split(r.attrs, chr(31))[place], '')) AS said,
    sum(seen.items)::BIGINT AS items
FROM saying JOIN resources AS r USING (shape) JOIN resources_seen AS seen USING (resource_id)
WHERE seen.tenant = $tenant AND seen.last_ns >= $start_ns AND seen.first_ns < $end_ns
GROUP BY ALL
