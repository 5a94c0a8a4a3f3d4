-- How many selected records have each level, group, stream and service; the most frequent values of each, those
-- in $kept whatever their rank, and how many values there are.
WITH counted AS (
    SELECT
        GROUPING_ID(level, log_group, log_stream, service) AS field,
        coalesce(level::VARCHAR, log_group, log_stream, service) AS value,
        count(*) AS records
    FROM (
        SELECT (/*severity*/ + 3) // 4 AS level, l.log_group, l.log_stream, l.service
        FROM logs AS l
        WHERE l.tenant = $tenant AND l.time_ns >= $start_ns AND l.time_ns < $end_ns AND /*filter*/
    )
    GROUP BY GROUPING SETS ((level), (log_group), (log_stream), (service))
)
SELECT field, value, records, count(*) OVER (PARTITION BY field) AS distinct_values
FROM counted
QUALIFY row_number() OVER (PARTITION BY field ORDER BY records DESC, value) <= $limit
    OR list_contains($kept::VARCHAR[], value)
ORDER BY field, records DESC, value
