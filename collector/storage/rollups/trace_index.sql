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
        count(*), count(*) FILTER (outcome = 1), count(*) FILTER (outcome = 2), count(*) FILTER (outcome = 3),
        list_sort(list(DISTINCT service)),
        min(struct_pack(
            start_ns := start_ns, duration_ns := duration_ns, service := service, name := name,
            outcome := outcome, method := http_method, status := http_status
        )) FILTER (parent_id = 0) AS root
    FROM spans
    WHERE seq > $after AND seq <= $until
    GROUP BY tenant, trace_hi, trace_lo
);

-- name: flush
INSERT INTO trace_index
SELECT
    $until, * EXCLUDE root,
    coalesce(root.service, ''), coalesce(root.name, ''), coalesce(root.start_ns, 0), coalesce(root.duration_ns, 0),
    coalesce(root.outcome, 0), coalesce(root.method, ''), coalesce(root.status, 0)
FROM (
    SELECT
        tenant, trace_hi, trace_lo, min(first_ns), max(last_ns),
        sum(spans), sum(errors), sum(throttles), sum(faults), list_sort(list_distinct(flatten(list(services)))),
        min(struct_pack(
            start_ns := root_start_ns, duration_ns := root_duration_ns, service := root_service, name := root_name,
            outcome := root_outcome, method := root_method, status := root_status
        )) FILTER (root_service <> '') AS root
    FROM live_traces.trace_index
    WHERE seq > $after
    GROUP BY tenant, trace_hi, trace_lo
)
ORDER BY trace_hi, trace_lo;
