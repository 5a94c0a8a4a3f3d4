-- How many selected records have each value of one attribute, of the record or of its resource.
WITH places AS (
    SELECT unnest($shapes::UBIGINT[]) AS shape, unnest($positions::INTEGER[]) AS position
),
counted AS (
    SELECT
        coalesce(
            string_split(l.attrs, chr(31))[own.position], string_split(r.attrs, chr(31))[theirs.position]
        ) AS value,
        count(*) AS records
    FROM logs AS l
    LEFT JOIN places AS own ON own.shape = l.shape
    LEFT JOIN resources AS r ON r.resource_id = l.resource_id
    LEFT JOIN places AS theirs ON theirs.shape = r.shape
    WHERE l.tenant = $tenant AND l.time_ns >= $start_ns AND l.time_ns < $end_ns
        AND (own.position IS NOT NULL OR theirs.position IS NOT NULL)
        AND /*filter*/
    GROUP BY ALL
)
SELECT
    replace(replace(value, chr(27) || '1', chr(31)), chr(27) || '0', chr(27)) AS value,
    records, count(*) OVER () AS distinct_values
FROM counted
QUALIFY row_number() OVER (ORDER BY records DESC, value) <= $limit OR list_contains($kept::VARCHAR[], value)
ORDER BY records DESC, value
