-- When a trace was: by the index, and by the spans that the index does not know yet.
SELECT min(first_ns) AS first_ns, max(last_ns) AS last_ns
FROM (
    SELECT first_ns, last_ns
    FROM trace_index
    WHERE trace_hi = $hi AND trace_lo = $lo AND tenant = $tenant
    UNION ALL
    SELECT start_ns, start_ns
    FROM spans
    WHERE seq > getvariable('traces_rolled') AND trace_hi = $hi AND trace_lo = $lo AND tenant = $tenant
)
