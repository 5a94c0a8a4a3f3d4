-- Exceptions by type and operation. The marked place is the text of the event's exception.message.
WITH thrown AS (
    SELECT
        e.trace_hi, e.trace_lo, e.span_id, e.span_start_ns, e.time_ns, e.exception_type,
        coalesce(/*message*/, '') AS message
    FROM span_events e
    WHERE
        e.tenant = $tenant AND e.span_start_ns >= $start_ns AND e.span_start_ns < $end_ns
        AND e.exception_type <> ''
),
placed AS (
    SELECT thrown.*, s.service, s.name
    FROM thrown JOIN spans s
        ON s.trace_hi = thrown.trace_hi AND s.trace_lo = thrown.trace_lo AND s.span_id = thrown.span_id
        AND s.start_ns = thrown.span_start_ns
    WHERE
        s.tenant = $tenant AND s.start_ns >= $start_ns AND s.start_ns < $end_ns
        AND ($service = '' OR s.service = $service)
)
SELECT
    exception_type AS type, service, name AS operation, count(*) AS count,
    count(DISTINCT (trace_hi, trace_lo)) AS traces, min(time_ns) AS first_ns, max(time_ns) AS last_ns,
    max(struct_pack(
        time_ns := time_ns, message := message, trace_hi := trace_hi, trace_lo := trace_lo, span_id := span_id
    )) AS latest
FROM placed
GROUP BY exception_type, service, name
ORDER BY count DESC, type, operation
LIMIT $limit
