-- When the traces of these ids were: by the index, and by the spans that the index does not know yet.
WITH ids AS (SELECT unnest($his::UBIGINT[]) AS trace_hi, unnest($los::UBIGINT[]) AS trace_lo)
SELECT min(first_ns) AS first_ns, max(last_ns) AS last_ns
FROM (
    SELECT first_ns, last_ns FROM trace_index SEMI JOIN ids USING (trace_hi, trace_lo) WHERE tenant = $tenant
    UNION ALL
    SELECT start_ns, start_ns
    FROM spans SEMI JOIN ids USING (trace_hi, trace_lo)
    WHERE seq > getvariable('traces_rolled') AND tenant = $tenant
)
