-- Measurements of some streams that were taken in a trace, the greatest values first.
WITH picked AS (
    SELECT unnest($series::UBIGINT[]) AS series_id
)
SELECT
    e.series_id, e.time_ns, CASE WHEN e.is_int THEN e.value_int::DOUBLE ELSE e.value END AS value,
    e.trace_hi, e.trace_lo, e.span_id, coalesce(k.keys, []) AS keys, e.attrs
FROM exemplars AS e
JOIN picked USING (series_id)
LEFT JOIN shapes AS k ON k.shape = e.shape
WHERE e.time_ns >= $start_ns AND e.time_ns < $end_ns AND (e.trace_hi > 0 OR e.trace_lo > 0)
QUALIFY row_number() OVER (PARTITION BY e.series_id, e.time_ns, e.trace_hi, e.trace_lo, e.span_id ORDER BY e.seq) = 1
ORDER BY value DESC, e.time_ns DESC, e.trace_hi, e.trace_lo, e.span_id
LIMIT $limit
