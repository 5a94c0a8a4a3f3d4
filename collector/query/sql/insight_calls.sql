-- Calls between nodes per window, as the caller saw them.
SELECT
    minute_ns // $window_ns * $window_ns AS start_ns, caller, caller_type, callee, callee_type,
    sum(requests)::BIGINT AS requests, coalesce(sum(requests) FILTER (outcome = 3), 0)::BIGINT AS faults
FROM edges
WHERE
    tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
    AND (caller_type IN ('service', 'client', 'queue') OR starts_with(caller_type, 'AWS::'))
GROUP BY ALL
HAVING sum(requests) > 0
