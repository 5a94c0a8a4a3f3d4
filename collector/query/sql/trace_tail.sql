-- When the spans of a trace were that the index does not know yet.
SELECT min(start_ns) AS first_ns, max(start_ns) AS last_ns
FROM spans
WHERE seq > $rolled AND trace_hi = $hi AND trace_lo = $lo AND tenant = $tenant
