-- Calls between nodes in a range of minutes, per latency bucket, as the caller saw them.
SELECT
    caller, caller_type, callee, callee_type, link, bucket,
    sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors,
    sum(throttles)::BIGINT AS throttles, sum(faults)::BIGINT AS faults
FROM edges
WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
    AND (caller_type IN ('service', 'client', 'queue') OR starts_with(caller_type, 'AWS::'))
GROUP BY ALL
