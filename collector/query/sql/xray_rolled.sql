-- Calls and what services did in a range of minutes, with latency histograms. time_ns: the start of the
-- step of $step_ns. 'node' rows are of the spans that a service served (callee).
-- $clients: only the calls of clients; $callers, $callees: only of these names, unless any will do.
SELECT
    'edge' AS part, caller, caller_type, callee, callee_type, link, minute_ns // $step_ns * $step_ns AS time_ns,
    minute_ns, minute_ns AS last_ns, outcome, requests, duration_ns::DOUBLE AS duration_ns, buckets, counts
FROM edges
WHERE
    tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns
    AND (NOT $clients OR caller_type IN ('client', 'root', 'root consumer'))
    AND ($any_caller OR list_contains($callers::VARCHAR[], caller))
    AND ($any_callee OR list_contains($callees::VARCHAR[], callee))
UNION ALL
SELECT
    'node', '', '', service, 'service', false, minute_ns // $step_ns * $step_ns,
    minute_ns, minute_ns, outcome, requests, duration_ns::DOUBLE, buckets, counts
FROM red
WHERE
    tenant = $tenant AND minute_ns >= $start_ns AND minute_ns < $end_ns AND kind IN (2, 5)
    AND NOT $clients AND ($any_callee OR list_contains($callees::VARCHAR[], service))
