-- One record of each of some patterns: the pattern's template, and the place where its last record stands.
WITH wanted AS (
    SELECT
        unnest($templates::VARCHAR[]) AS template, unnest($times::BIGINT[]) AS time_ns,
        unnest($seqs::UBIGINT[]) AS seq
)
SELECT
    template, time_ns, seq, 1 AS number, left(body, $shown) AS body,
    md5_number_lower(concat_ws(
        chr(30), log_group, log_stream, service, severity, severity_text, event_name, body, body_type, shape, attrs,
        resource_id, scope_id, trace_hi, trace_lo, span_id, flags, observed_ns
    )) AS tie
FROM logs AS l
JOIN wanted USING (time_ns, seq)
WHERE l.tenant = $tenant AND l.time_ns >= $start_ns AND l.time_ns < $end_ns
    AND regexp_replace(left(l.body, $longest), $mask, $replacement, 'g') = template
    AND /*filter*/
QUALIFY row_number() OVER (PARTITION BY template ORDER BY tie) = 1
