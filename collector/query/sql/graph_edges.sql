-- Calls between nodes in a range of minutes, as the caller saw them.
SELECT caller, caller_type, callee, callee_type, link, outcome, requests, buckets, counts
FROM edges
WHERE tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
    AND (caller_type IN ('service', 'client', 'queue') OR starts_with(caller_type, 'AWS::'))
