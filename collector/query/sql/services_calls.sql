-- Which services call which other ones.
SELECT DISTINCT caller, callee
FROM edges
WHERE
    tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
    AND caller_type = 'service' AND callee_type = 'service'
