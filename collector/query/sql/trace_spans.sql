-- Every span of a trace, in the order of their commits. What was sent before its end is left out once its end is known.
SELECT * EXCLUDE (tenant, trace_hi, trace_lo)
FROM spans
WHERE trace_hi = $hi AND trace_lo = $lo AND start_ns >= $first_ns AND start_ns <= $last_ns AND tenant = $tenant
QUALIFY NOT in_progress OR (
    bool_and(in_progress) OVER (PARTITION BY span_id)
    AND row_number() OVER (PARTITION BY span_id ORDER BY seq DESC) = 1
)
ORDER BY seq, start_ns, span_id
