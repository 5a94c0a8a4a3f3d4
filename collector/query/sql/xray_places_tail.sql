-- When the spans of these traces were that the index does not know yet.
WITH ids AS (SELECT unnest($his::UBIGINT[]) AS trace_hi, unnest($los::UBIGINT[]) AS trace_lo)
SELECT min(start_ns) AS first_ns, max(start_ns) AS last_ns
FROM spans SEMI JOIN ids USING (trace_hi, trace_lo)
WHERE seq > $rolled AND tenant = $tenant
