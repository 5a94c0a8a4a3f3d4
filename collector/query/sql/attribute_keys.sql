-- Attribute keys that were seen, those that begin with the text first, then by how often.
SELECT
    key, string_agg(DISTINCT type, '' ORDER BY type) AS types, list_sort(list(DISTINCT place)) AS places,
    sum(items)::BIGINT AS items, max(last_ns) AS last_ns
FROM attribute_keys
WHERE
    tenant = $tenant AND last_ns >= $start_ns AND first_ns < $end_ns
    AND contains(lower(key), lower($prefix)) AND key <> ''
GROUP BY key
ORDER BY starts_with(lower(key), lower($prefix)) DESC, items DESC, key
LIMIT $limit
