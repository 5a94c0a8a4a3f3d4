-- X-Ray documents of these traces as they were sent, in the order of their commits.
SELECT trace_hi, trace_lo, seq, document
FROM segments
WHERE
    trace_lo IN (SELECT unnest($los::UBIGINT[])) AND trace_hi IN (SELECT unnest($his::UBIGINT[]))
    AND start_ns >= $first_ns AND start_ns <= $last_ns AND tenant = $tenant
ORDER BY seq, start_ns, span_id
