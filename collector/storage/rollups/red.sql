-- Rate, errors, duration: requests per minute, service and kind in latency buckets that merge by addition.

-- name: roll
INSERT INTO live_traces.red
SELECT
    $until, tenant, start_ns // 60000000000 * 60000000000 AS minute_ns, service, kind,
    CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
    count(*), count(*) FILTER (outcome = 1), count(*) FILTER (outcome = 2), count(*) FILTER (outcome = 3),
    sum(duration_ns)
FROM spans
WHERE seq > $after AND seq <= $until AND NOT in_progress AND service <> ''
GROUP BY ALL;

-- name: flush
INSERT INTO red
SELECT
    $until, tenant, minute_ns, service, kind, bucket,
    sum(requests), sum(errors), sum(throttles), sum(faults), sum(duration_ns)
FROM live_traces.red
WHERE seq > $after
GROUP BY ALL
ORDER BY minute_ns, service, kind, bucket;
