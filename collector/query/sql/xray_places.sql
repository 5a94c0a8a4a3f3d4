-- When the traces of the CTE's ids were, by the index, and up to which commit the index goes.
WITH ids AS (SELECT unnest($his::UBIGINT[]) AS trace_hi, unnest($los::UBIGINT[]) AS trace_lo),
found AS (
    SELECT first_ns, last_ns FROM trace_index SEMI JOIN ids USING (trace_hi, trace_lo) WHERE tenant = $tenant
)
SELECT
    min(first_ns) AS first_ns, max(last_ns) AS last_ns,
    (SELECT coalesce(max(seq), 0) FROM trace_index) AS rolled
FROM found
