-- Latency buckets of the calls on an edge, as the caller saw them; caller_type '' is any caller.
SELECT
    0 AS kind, bucket, sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors,
    sum(throttles)::BIGINT AS throttles, sum(faults)::BIGINT AS faults
FROM edges
WHERE
    tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
    AND caller_type IN ('service', 'client', 'queue')
    AND callee_type = $callee_type AND callee = $callee
    AND ($caller_type = '' OR (caller_type = $caller_type AND caller = $caller))
GROUP BY bucket
