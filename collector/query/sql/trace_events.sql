-- Every event of a trace's spans.
SELECT span_id, span_start_ns, time_ns, name, exception_type, shape, attrs, dropped_attributes
FROM span_events
WHERE
    trace_hi = $hi AND trace_lo = $lo AND span_start_ns >= $first_ns AND span_start_ns <= $last_ns
    AND tenant = $tenant
ORDER BY span_id, time_ns, seq
