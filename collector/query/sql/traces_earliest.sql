-- The earliest span of each of these traces: the name of one whose root was not seen.
WITH wanted AS (
    SELECT unnest($his::UBIGINT[]) AS trace_hi, unnest($los::UBIGINT[]) AS trace_lo
)
SELECT
    trace_hi, trace_lo,
    min(struct_pack(
        start_ns := start_ns, span_id := span_id, service := service, name := name,
        method := http_method, status := http_status
    )) AS span
FROM spans SEMI JOIN wanted USING (trace_hi, trace_lo)
WHERE tenant = $tenant AND start_ns >= $from_ns AND start_ns <= $to_ns
GROUP BY trace_hi, trace_lo
