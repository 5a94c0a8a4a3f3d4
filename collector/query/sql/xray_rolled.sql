-- Calls and what services did in a range of minutes, per latency bucket. time_ns: the start of the step of
-- $step_ns; kind: of the spans of 'node' rows, which are then a service's own (callee).
SELECT
    'edge' AS part, caller, caller_type, callee, callee_type, link, 0 AS kind, bucket,
    minute_ns // $step_ns * $step_ns AS time_ns,
    sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors, sum(throttles)::BIGINT AS throttles,
    sum(faults)::BIGINT AS faults, sum(duration_ns)::HUGEINT AS duration_ns,
    min(minute_ns) AS first_ns, max(minute_ns) AS last_ns
FROM edges
WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
GROUP BY ALL
UNION ALL
SELECT
    'node', '', '', service, 'service', false, kind, bucket, minute_ns // $step_ns * $step_ns,
    sum(requests)::BIGINT, sum(errors)::BIGINT, sum(throttles)::BIGINT, sum(faults)::BIGINT,
    sum(duration_ns)::HUGEINT, min(minute_ns), max(minute_ns)
FROM red
WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns AND kind IN (2, 5)
GROUP BY ALL
