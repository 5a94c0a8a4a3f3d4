-- The streams of a log group whose name contains $search, the one with the latest record first.
SELECT
    log_stream AS name, sum(records)::BIGINT AS records, sum(bytes)::BIGINT AS bytes,
    min(first_ns) AS first_ns, max(last_ns) AS last_ns, max(ingested_ns) AS ingested_ns
FROM log_streams
WHERE tenant = $tenant AND log_group = $group AND contains(lower(log_stream), lower($search))
GROUP BY log_stream
ORDER BY last_ns DESC, log_stream
LIMIT $limit
