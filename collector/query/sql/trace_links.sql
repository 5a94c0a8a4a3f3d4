-- Every link of a trace's spans.
SELECT
    span_id, span_start_ns, linked_trace_hi, linked_trace_lo, linked_span_id, trace_state, flags, shape, attrs,
    dropped_attributes
FROM span_links
WHERE
    trace_hi = $hi AND trace_lo = $lo AND span_start_ns >= $first_ns AND span_start_ns <= $last_ns
    AND tenant = $tenant
ORDER BY span_id, seq
