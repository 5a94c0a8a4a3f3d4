-- Every event of the spans of these traces.
SELECT
    trace_hi, trace_lo, span_id, span_start_ns, time_ns, name, exception_type, shape, attrs, dropped_attributes
FROM span_events
WHERE
    trace_lo IN (SELECT unnest($los::UBIGINT[])) AND trace_hi IN (SELECT unnest($his::UBIGINT[]))
    AND span_start_ns >= $first_ns AND span_start_ns <= $last_ns AND tenant = $tenant
ORDER BY span_id, time_ns, seq
