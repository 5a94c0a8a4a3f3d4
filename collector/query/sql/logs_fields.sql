-- The attributes of the selected records, with how many carry each.
WITH shaped AS (
    SELECT l.shape, count(*) AS records
    FROM logs AS l
    WHERE l.tenant = $tenant AND l.time_ns >= $start_ns AND l.time_ns < $end_ns AND /*filter*/
    GROUP BY l.shape
),
carried AS (
    SELECT unnest(k.keys) AS name, unnest(string_split(k.types, '')) AS type, shaped.records
    FROM shaped
    JOIN shapes AS k USING (shape)
),
counted AS (
    SELECT name, arg_max(type, records) AS type, sum(records)::BIGINT AS records
    FROM carried
    GROUP BY name
)
SELECT total, name, type, records
FROM (SELECT coalesce(sum(records), 0)::BIGINT AS total FROM shaped)
LEFT JOIN counted ON true
ORDER BY records DESC, name
