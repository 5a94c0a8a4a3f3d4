-- When these traces were: those of which anything began between two moments.
SELECT trace_hi, trace_lo, min(first_ns) AS first_ns, max(last_ns) AS last_ns
FROM trace_index
WHERE
    trace_lo IN (SELECT unnest($los::UBIGINT[])) AND trace_hi IN (SELECT unnest($his::UBIGINT[]))
    AND last_ns >= $start_ns AND first_ns <= $end_ns AND tenant = $tenant
GROUP BY trace_hi, trace_lo
