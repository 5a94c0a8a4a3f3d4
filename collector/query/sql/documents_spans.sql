-- Every span of these traces, as trace_spans.sql has them of one.
SELECT * EXCLUDE (tenant)
FROM spans
WHERE
    trace_lo IN (SELECT unnest($los::UBIGINT[])) AND trace_hi IN (SELECT unnest($his::UBIGINT[]))
    AND start_ns >= $first_ns AND start_ns <= $last_ns AND tenant = $tenant
QUALIFY NOT in_progress OR (
    bool_and(in_progress) OVER (PARTITION BY trace_hi, trace_lo, span_id)
    AND row_number() OVER (PARTITION BY trace_hi, trace_lo, span_id ORDER BY seq DESC) = 1
)
ORDER BY seq, start_ns, span_id
