-- The selected records between two places, both included. $sign: 1 oldest first, -1 newest first.
-- Records of one commit with the same time are told apart by `tie`, a hash of all they hold, and equal ones by
-- their number.
WITH found AS (
    SELECT
        *,
        md5_number_lower(concat_ws(
            chr(30), log_group, log_stream, service, severity, severity_text, event_name, body, body_type, shape,
            attrs, resource_id, scope_id, trace_hi, trace_lo, span_id, flags, observed_ns
        )) AS tie
    FROM logs AS l
    WHERE l.tenant = $tenant
        AND l.time_ns >= $least_ns AND l.time_ns <= $greatest_ns
        AND (l.time_ns > $least_ns OR l.seq >= $least_seq)
        AND (l.time_ns < $greatest_ns OR l.seq <= $greatest_seq)
        AND /*filter*/
),
page AS (
    SELECT *, row_number() OVER (PARTITION BY time_ns, seq, tie) AS number
    FROM found
    WHERE $tie::UBIGINT IS NULL OR tie = $tie
    ORDER BY time_ns * $sign, seq::HUGEINT * $sign, tie, number
    LIMIT $limit OFFSET $skip
)
SELECT
    page.time_ns, page.seq, page.tie, page.number, page.observed_ns, page.trace_hi, page.trace_lo, page.span_id,
    page.flags, page.severity, page.severity_text, page.service, page.log_group, page.log_stream,
    page.event_name, page.body, page.body_type, page.attrs, page.dropped_attributes,
    page.resource_id, page.scope_id, coalesce(k.keys, []) AS keys, coalesce(k.types, '') AS types
FROM page
LEFT JOIN shapes AS k ON k.shape = page.shape
ORDER BY page.time_ns * $sign, page.seq::HUGEINT * $sign, page.tie, page.number
