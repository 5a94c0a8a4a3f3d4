-- The selected records of all commits after $after_seq, the latest $limit of them in the order of their arrival;
-- `matching` is how many there are.
WITH found AS (
    SELECT
        *,
        md5_number_lower(concat_ws(
            chr(30), log_group, log_stream, service, severity, severity_text, event_name, body, body_type, shape,
            attrs, resource_id, scope_id, trace_hi, trace_lo, span_id, flags, observed_ns
        )) AS tie
    FROM logs AS l
    WHERE l.tenant = $tenant AND l.seq > $after_seq AND /*filter*/
),
page AS (
    SELECT *, row_number() OVER (PARTITION BY time_ns, seq, tie) AS number, count(*) OVER () AS matching
    FROM found
    ORDER BY seq DESC, time_ns DESC, tie, number
    LIMIT $limit
)
SELECT
    page.time_ns, page.seq, page.tie, page.number, page.observed_ns, page.trace_hi, page.trace_lo, page.span_id,
    page.flags, page.severity, page.severity_text, page.service, page.log_group, page.log_stream,
    page.event_name, page.body, page.body_type, page.attrs, page.dropped_attributes, page.matching,
    coalesce(k.keys, []) AS keys, coalesce(k.types, '') AS types
FROM page
LEFT JOIN shapes AS k ON k.shape = page.shape
ORDER BY page.seq, page.time_ns, page.tie, page.number
