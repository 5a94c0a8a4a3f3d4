-- The traces of a range that match a filter, one row each: the CTE `matched` that other questions go on from.
-- A trace can have several rows in the index, one for each time it was flushed; most have one, which is passed
-- through as it is. Parts are looked for some minutes around the range, so that a trace that began before it
-- is not taken for one that began inside. $one_in: of a thinned selection only one in so many traces, by its id.
-- The first marked place is the part of the filter that every entry of a trace tells by its ids.
WITH parts AS (
    SELECT * FROM trace_index AS t
    WHERE tenant = $tenant AND last_ns >= $before_ns AND first_ns < $reach_ns AND (trace_lo & ($one_in::UBIGINT - 1)) = 0
        /*ids*/
),
split AS MATERIALIZED (
    SELECT trace_hi, trace_lo FROM parts GROUP BY trace_hi, trace_lo HAVING count(*) > 1
),
merged AS (
    SELECT
        trace_hi, trace_lo, min(first_ns) AS first_ns, max(last_ns) AS last_ns,
        sum(spans)::UBIGINT AS spans, sum(errors)::UBIGINT AS errors, sum(throttles)::UBIGINT AS throttles,
        sum(faults)::UBIGINT AS faults, list_sort(list_distinct(flatten(list(services)))) AS services,
        min(struct_pack(
            start_ns := root_start_ns, duration_ns := root_duration_ns, service := root_service, name := root_name,
            outcome := root_outcome, method := root_method, status := root_status
        )) FILTER (root_service <> '') AS root
    FROM parts SEMI JOIN split USING (trace_hi, trace_lo)
    GROUP BY trace_hi, trace_lo
),
whole AS (
    SELECT
        trace_hi, trace_lo, first_ns, last_ns, spans, errors, throttles, faults, services,
        root_service, root_name, root_duration_ns, root_outcome, root_method, root_status
    FROM parts ANTI JOIN split USING (trace_hi, trace_lo)
    UNION ALL
    SELECT
        trace_hi, trace_lo, first_ns, last_ns, spans, errors, throttles, faults, services,
        coalesce(root.service, ''), coalesce(root.name, ''), coalesce(root.duration_ns, 0),
        coalesce(root.outcome, 0), coalesce(root.method, ''), coalesce(root.status, 0)
    FROM merged
),
t AS (
    SELECT
        trace_hi, trace_lo, first_ns, spans, errors, throttles, faults, services,
        root_service, root_name, root_method, root_status,
        greatest(last_ns - greatest(first_ns, 0), 0) AS duration_ns,
        CASE WHEN root_service <> '' THEN root_duration_ns END AS response_ns,
        CASE
            WHEN root_service <> '' THEN root_outcome
            WHEN faults > 0 THEN 3
            WHEN throttles > 0 THEN 2
            WHEN errors > 0 THEN 1
            ELSE 0
        END::UTINYINT AS outcome
    FROM whole
    WHERE first_ns >= $start_ns AND first_ns < $end_ns
),
matched AS (
    SELECT * FROM t
    WHERE duration_ns >= $dmin_ns AND duration_ns <= $dmost_ns AND /*filter*/
)
