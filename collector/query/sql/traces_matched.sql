-- The matching traces with what charts, facets and lists of them show.
SELECT
    trace_hi, trace_lo, hash(trace_lo, trace_hi) AS dice, first_ns, duration_ns, outcome, spans, services,
    root_service, root_name, root_status
FROM matched
