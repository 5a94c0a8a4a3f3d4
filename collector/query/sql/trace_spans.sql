-- Every span of a trace, in the order of their commits.
SELECT * EXCLUDE (tenant, trace_hi, trace_lo)
FROM spans
WHERE trace_hi = $hi AND trace_lo = $lo AND start_ns >= $first_ns AND start_ns <= $last_ns AND tenant = $tenant
ORDER BY seq, start_ns, span_id
