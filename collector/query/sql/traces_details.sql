-- What a list shows of the traces of these ids, all parts of the index merged. The scan is narrowed by half an id.
WITH wanted AS (
    SELECT unnest($his::UBIGINT[]) AS trace_hi, unnest($los::UBIGINT[]) AS trace_lo
)
SELECT
    trace_hi, trace_lo, min(first_ns) AS first_ns,
    least(greatest(max(last_ns)::HUGEINT - min(first_ns), 0), 9223372036854775807)::BIGINT AS duration_ns,
    sum(spans)::BIGINT AS spans, sum(errors)::BIGINT AS errors, sum(throttles)::BIGINT AS throttles,
    sum(faults)::BIGINT AS faults, list_sort(list_distinct(flatten(list(services)))) AS services,
    min(struct_pack(
        start_ns := root_start_ns, duration_ns := root_duration_ns, service := root_service, name := root_name,
        outcome := root_outcome, method := root_method, status := root_status
    )) FILTER (root_service <> '') AS root
FROM trace_index SEMI JOIN wanted USING (trace_hi, trace_lo)
WHERE
    tenant = $tenant AND last_ns >= $from_ns AND first_ns <= $to_ns
    AND trace_lo IN (SELECT unnest($los::UBIGINT[]))
GROUP BY trace_hi, trace_lo
