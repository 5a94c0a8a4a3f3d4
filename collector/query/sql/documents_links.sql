-- Every link of the spans of these traces.
SELECT
    trace_hi, trace_lo, span_id, span_start_ns, linked_trace_hi, linked_trace_lo, linked_span_id, trace_state, flags,
    shape, attrs, dropped_attributes
FROM span_links
WHERE
    trace_lo IN (SELECT unnest($los::UBIGINT[])) AND trace_hi IN (SELECT unnest($his::UBIGINT[]))
    AND span_start_ns >= $first_ns AND span_start_ns <= $last_ns AND tenant = $tenant
ORDER BY span_id, seq
