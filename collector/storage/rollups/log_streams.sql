-- Log groups and streams: first and last event, size. A record's size is its body's bytes and 26 more.

-- name: roll
INSERT INTO live_logs.log_streams
SELECT
    $until, tenant, log_group, log_stream,
    min(time_ns), max(time_ns), max(observed_ns), count(*), sum(strlen(body) + 26)
FROM logs
WHERE seq > $after AND seq <= $until
GROUP BY ALL;

-- name: flush
INSERT INTO log_streams
SELECT
    $until, tenant, log_group, log_stream,
    min(first_ns), max(last_ns), max(ingested_ns), sum(records), sum(bytes)
FROM live_logs.log_streams
WHERE seq > $after
GROUP BY ALL
ORDER BY tenant, log_group, log_stream;
