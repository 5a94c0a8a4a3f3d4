-- Calls on an edge and their latency histograms, as the caller saw them; caller_type '' is any caller.
SELECT outcome, requests, buckets, counts
FROM edges
WHERE
    tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
    AND (caller_type IN ('service', 'client', 'queue') OR starts_with(caller_type, 'AWS::'))
    AND (callee_type = $callee_type OR ($callee_type = 'aws' AND starts_with(callee_type, 'AWS::')))
    AND callee = $callee
    AND (
        $caller_type = ''
        OR (caller = $caller AND caller_type = $caller_type)
        OR (caller = $caller AND $caller_type = 'aws' AND starts_with(caller_type, 'AWS::'))
    )
