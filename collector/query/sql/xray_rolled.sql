-- Calls and what services did in a range of minutes, with counts per latency bucket. time_ns: the start of the
-- step of $step_ns. 'node' rows are of the spans that a service served (callee).
WITH counted AS (
    SELECT
        'edge' AS part, caller, caller_type, callee, callee_type, link, bucket,
        minute_ns // $step_ns * $step_ns AS time_ns,
        sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors, sum(throttles)::BIGINT AS throttles,
        sum(faults)::BIGINT AS faults, sum(duration_ns)::DOUBLE AS duration_ns,
        min(minute_ns) AS first_ns, max(minute_ns) AS last_ns
    FROM edges
    WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
    GROUP BY ALL
    UNION ALL
    SELECT
        'node', '', '', service, 'service', false, bucket, minute_ns // $step_ns * $step_ns,
        sum(requests)::BIGINT, sum(errors)::BIGINT, sum(throttles)::BIGINT, sum(faults)::BIGINT,
        sum(duration_ns)::DOUBLE, min(minute_ns), max(minute_ns)
    FROM red
    WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns AND kind IN (2, 5)
    GROUP BY ALL
)
SELECT
    part, caller, caller_type, callee, callee_type, link, time_ns,
    sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors, sum(throttles)::BIGINT AS throttles,
    sum(faults)::BIGINT AS faults, sum(duration_ns) AS duration_ns, min(first_ns) AS first_ns,
    max(last_ns) AS last_ns, list(bucket) AS buckets, list(requests) AS counts
FROM counted
GROUP BY ALL
