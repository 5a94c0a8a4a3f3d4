-- Log groups whose name contains $search, over all that is kept, and how much they said in a range.
WITH in_range AS (
    SELECT log_group, sum(records)::BIGINT AS records
    FROM log_counts
    WHERE tenant = $tenant AND minute_ns >= $first_ns AND minute_ns < $last_ns
    GROUP BY log_group
)
SELECT
    log_group AS name, count(DISTINCT log_stream) AS streams, sum(s.records)::BIGINT AS records,
    sum(s.bytes)::BIGINT AS bytes, min(s.first_ns) AS first_ns, max(s.last_ns) AS last_ns,
    max(s.ingested_ns) AS ingested_ns, coalesce(any_value(in_range.records), 0) AS in_range
FROM log_streams AS s
LEFT JOIN in_range USING (log_group)
WHERE s.tenant = $tenant AND contains(lower(log_group), lower($search))
GROUP BY log_group
ORDER BY log_group
