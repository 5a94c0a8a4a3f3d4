-- The newest traces of a range, one row each: what their first request was, from the span that decides sampling (the
-- root; else what was called from outside; else what began first), and what became of the trace as a whole.
WITH spans_in AS (
    SELECT
        trace_hi, trace_lo, start_ns, start_ns + duration_ns AS end_ns, outcome, service, name, http_method,
        resource_id, shape, attrs,
        CASE WHEN parent_id = 0 THEN 0 WHEN kind IN (2, 5) THEN 1 ELSE 2 END AS rank
    FROM spans
    WHERE tenant = $tenant AND start_ns >= $before_ns AND start_ns < $reach_ns AND NOT in_progress AND service <> ''
),
whole AS (
    SELECT
        trace_hi, trace_lo, min(start_ns) AS first_ns, max(end_ns) AS last_ns, max(outcome) AS outcome,
        count(*) AS spans,
        arg_min(
            struct_pack(
                service := service, name := name, method := http_method, resource_id := resource_id, shape := shape,
                attrs := attrs
            ),
            (rank, start_ns)
        ) AS first
    FROM spans_in
    GROUP BY trace_hi, trace_lo
    HAVING min(start_ns) >= $start_ns AND min(start_ns) < $end_ns
)
SELECT
    trace_hi, trace_lo, first_ns, last_ns, outcome, spans, first.service AS service, first.name AS name,
    first.method AS method, first.resource_id AS resource_id, first.shape AS shape, first.attrs AS attrs
FROM whole
ORDER BY first_ns DESC, trace_hi, trace_lo
LIMIT $most
