-- Trace index: when a trace was, how much of it went wrong, which services took part, its root.
-- The root is the earliest span without a parent; equal ones are told apart by their other columns.

-- name: roll
INSERT INTO live_traces.trace_index
SELECT
    $until, * EXCLUDE root,
    coalesce(root.service, ''), coalesce(root.name, ''), coalesce(root.start_ns, 0), coalesce(root.duration_ns, 0),
    coalesce(root.outcome, 0), coalesce(root.method, ''), coalesce(root.status, 0)
FROM (
    SELECT
        tenant, trace_hi, trace_lo,
        min(start_ns), max(start_ns + least(greatest(duration_ns, 0), 9223372036854775807 - greatest(start_ns, 0))),
        count(*) FILTER (NOT in_progress), count(*) FILTER (outcome = 1), count(*) FILTER (outcome = 2), count(*) FILTER (outcome = 3),
        coalesce(list_sort(list(DISTINCT service) FILTER (service <> '')), []),
        min(struct_pack(
            start_ns := start_ns, duration_ns := duration_ns, service := service, name := name,
            outcome := outcome, method := http_method, status := http_status
        )) FILTER (parent_id = 0 AND NOT in_progress) AS root
    FROM spans
    WHERE seq > $after AND seq <= $until
    GROUP BY tenant, trace_hi, trace_lo
);

-- name: flush
-- The sets of services are merged apart: aggregating lists costs three times as much as unnesting them.
INSERT INTO trace_index
WITH merged AS (
    SELECT
        tenant, trace_hi, trace_lo, min(first_ns) AS first_ns, max(last_ns) AS last_ns,
        sum(spans) AS spans, sum(errors) AS errors, sum(throttles) AS throttles, sum(faults) AS faults,
        min(struct_pack(
            start_ns := root_start_ns, duration_ns := root_duration_ns, service := root_service, name := root_name,
            outcome := root_outcome, method := root_method, status := root_status
        )) FILTER (root_service <> '') AS root
    FROM live_traces.trace_index
    WHERE seq > $after
    GROUP BY tenant, trace_hi, trace_lo
),
taking_part AS (
    SELECT DISTINCT tenant, trace_hi, trace_lo, unnest(services) AS service
    FROM live_traces.trace_index
    WHERE seq > $after
),
sets AS (
    SELECT tenant, trace_hi, trace_lo, list_sort(list(service)) AS services
    FROM taking_part
    GROUP BY tenant, trace_hi, trace_lo
)
SELECT
    $until, tenant, trace_hi, trace_lo, first_ns, last_ns, spans, errors, throttles, faults,
    coalesce(services, []),
    coalesce(root.service, ''), coalesce(root.name, ''), coalesce(root.start_ns, 0), coalesce(root.duration_ns, 0),
    coalesce(root.outcome, 0), coalesce(root.method, ''), coalesce(root.status, 0)
FROM merged LEFT JOIN sets USING (tenant, trace_hi, trace_lo)
ORDER BY trace_hi, trace_lo;
