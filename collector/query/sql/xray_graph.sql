-- X-Ray's service graph of the spans in a range, or of the traces in the CTE `ids`: who called whom and what
-- the nodes did, in response times rounded to milliseconds (specification of X-Ray, section 6.3).
--
-- part: 'node' rows are what segments measured themselves, 'edge' rows what callers measured, 'age' rows how old
-- events were when they were received. A node is a name, a kind ('segment', 'client' or the type of a peer), and
-- for segments and clients the number of what their resource says ($resources, $numbers; 0 for nothing).
-- A request counts where its own start is in [$from_ns, $until_ns); its callers and callees are looked for in
-- [$before_ns, $reach_ns). time_ns: the start of the step of $step_ns in which it started.
-- What was sent before its end makes a node, but counts as no request.
/*ids*/
identities AS (SELECT unnest($resources::UBIGINT[]) AS resource_id, unnest($numbers::USMALLINT[]) AS number),
-- Calls whose callee is instrumented and will tell of itself.
traced AS (
    SELECT DISTINCT trace_hi, trace_lo, span_id, name
    FROM spans /*chosen*/ JOIN (
        SELECT shape, list_position(keys, 'aws.xray.traced') AS place
        FROM shapes WHERE list_contains(keys, 'aws.xray.traced')
    ) USING (shape)
    WHERE
        tenant = $tenant AND start_ns >= $before_ns AND start_ns < $reach_ns
        AND list_extract(string_split(attrs, chr(31)), place) = 'true'
),
sent AS MATERIALIZED (
    SELECT
        row_number() OVER () AS row, seq, trace_hi, trace_lo, span_id, parent_id, start_ns,
        greatest(duration_ns, 0) AS duration_ns, service, coalesce(number, 0) AS number, kind, outcome, in_progress,
        peer, CASE WHEN peer_type = '' THEN 'remote' ELSE peer_type END AS peer_type,
        kind IN (2, 5) OR parent_id = 0 AS segment,
        kind IN (3, 4) AS calling, calling AND peer <> '' AS call
    FROM spans /*chosen*/ LEFT JOIN identities USING (resource_id)
    WHERE tenant = $tenant AND start_ns >= $before_ns AND start_ns < $reach_ns
),
-- A document that was sent again stands for all of its kind: complete above in progress, late above early.
again AS (
    SELECT row
    FROM sent SEMI JOIN (
        SELECT trace_hi, trace_lo, span_id FROM sent GROUP BY ALL HAVING count(*) > 1
    ) USING (trace_hi, trace_lo, span_id)
    QUALIFY row_number() OVER (
        PARTITION BY trace_hi, trace_lo, span_id, kind ORDER BY in_progress, seq DESC, row DESC
    ) > 1
),
once AS MATERIALIZED (SELECT * FROM sent ANTI JOIN again USING (row)),
-- The owners of subsegments that do not say enough themselves: the nearest segment above.
up AS (
    SELECT row, trace_hi, trace_lo, parent_id AS span_id
    FROM once
    WHERE NOT segment AND (service = '' OR list_contains($unclear::VARCHAR[], service))
    UNION
    SELECT up.row, up.trace_hi, up.trace_lo, above.parent_id
    FROM up JOIN once AS above USING (trace_hi, trace_lo, span_id)
    WHERE NOT above.segment
),
owners AS (
    SELECT up.row, min_by((above.service, above.number), above.row) AS owner
    FROM up JOIN once AS above USING (trace_hi, trace_lo, span_id)
    WHERE above.segment
    GROUP BY up.row
),
s AS MATERIALIZED (
    SELECT
        once.* EXCLUDE (service, number),
        coalesce(owner[1], service) AS service, coalesce(owner[2], number) AS number,
        once.start_ns >= $from_ns AND once.start_ns < $until_ns AS counted,
        once.start_ns // $step_ns * $step_ns AS time_ns, traced.span_id IS NOT NULL AS traced,
        CASE WHEN call THEN peer WHEN calling THEN coalesce(traced.name, '') ELSE '' END AS called
    FROM once LEFT JOIN owners USING (row) LEFT JOIN traced USING (trace_hi, trace_lo, span_id)
    WHERE coalesce(owner[1], service) <> ''
),
links AS (
    SELECT DISTINCT s.row, l.linked_trace_hi, l.linked_trace_lo, l.linked_span_id
    FROM span_links AS l JOIN s USING (trace_hi, trace_lo, span_id)
    WHERE
        l.tenant = $tenant AND l.span_start_ns >= $before_ns AND l.span_start_ns < $reach_ns AND s.kind IN (2, 5)
        AND CASE
            WHEN s.trace_hi = l.linked_trace_hi AND s.trace_lo = l.linked_trace_lo
            THEN s.kind = 5 AND s.parent_id <> l.linked_span_id
            ELSE true
        END
),
elsewhere AS (
    SELECT
        -row_number() OVER () AS row, trace_hi, trace_lo, span_id, start_ns, service, coalesce(number, 0) AS number, peer,
        CASE WHEN peer_type = '' THEN 'remote' ELSE peer_type END AS peer_type, kind IN (3, 4) AS calling,
        calling AND peer <> '' AS call, '' AS called, kind IN (2, 5) OR parent_id = 0 AS segment
    FROM spans LEFT JOIN identities USING (resource_id)
    WHERE
        tenant = $tenant AND start_ns >= $linked_ns AND start_ns < $reach_ns AND service <> ''
        AND (trace_hi, trace_lo, span_id) IN (SELECT linked_trace_hi, linked_trace_lo, linked_span_id FROM links)
        AND (trace_hi, trace_lo, span_id) NOT IN (SELECT trace_hi, trace_lo, span_id FROM once)
),
callers AS (
    SELECT
        row, trace_hi, trace_lo, span_id, start_ns, service, number, peer, peer_type, calling, call, called, segment
    FROM s
    UNION ALL
    SELECT * FROM elsewhere
),
callees AS (
    SELECT row, trace_hi, trace_lo, parent_id AS span_id, kind = 5 AS consumer
    FROM s WHERE segment AND parent_id <> 0
    UNION ALL
    SELECT row, linked_trace_hi, linked_trace_lo, linked_span_id, true FROM links
),
-- from_queue: the way leads through the queue that the caller names; to_queue: through the one the callee names.
pairs AS MATERIALIZED (
    SELECT
        c.row AS caller_row, c.service AS caller, c.number AS caller_number, c.peer, c.peer_type, c.called,
        c.segment AND NOT c.calling AS silent,
        e.row AS callee_row, e.service AS callee, e.number AS callee_number, e.peer AS queue, r.consumer,
        c.call AND r.consumer AND (c.peer_type = 'queue' OR starts_with(c.peer_type, 'AWS::')) AS from_queue,
        r.consumer AND e.kind = 5 AND e.peer_type = 'queue' AND e.peer <> '' AS to_queue,
        c.calling OR c.service <> e.service OR c.number <> e.number AS apart, greatest(e.start_ns - c.start_ns, 0) AS age_ns
    FROM callers AS c JOIN callees AS r USING (trace_hi, trace_lo, span_id) JOIN s AS e ON e.row = r.row
),
-- What is sent to a queue goes there, whoever reads it.
answered AS (
    SELECT DISTINCT caller_row AS row
    FROM pairs WHERE (NOT consumer AND peer_type <> 'queue') OR peer_type IN ('remote', 'rpc')
),
roots AS (
    SELECT row, service, number FROM s WHERE parent_id = 0
    UNION ALL
    -- The caller of these has not arrived: they stand for the root of a trace that has no other one.
    SELECT row, service, number
    FROM s ANTI JOIN (SELECT callee_row AS row FROM pairs) USING (row)
        ANTI JOIN (SELECT trace_hi, trace_lo FROM s WHERE parent_id = 0) USING (trace_hi, trace_lo)
    WHERE segment
),
-- A remote call inside of another call of the same service is that call, seen a second time.
climb AS (
    SELECT row, service, trace_hi, trace_lo, parent_id AS span_id
    FROM s WHERE call AND peer_type IN ('remote', 'rpc') AND parent_id <> 0
    UNION
    SELECT climb.row, climb.service, trace_hi, trace_lo, above.parent_id
    FROM climb JOIN s AS above USING (trace_hi, trace_lo, span_id, service)
    WHERE NOT above.segment AND NOT above.call
),
nested AS (
    SELECT DISTINCT climb.row
    FROM climb JOIN s AS above USING (trace_hi, trace_lo, span_id, service)
        LEFT JOIN (SELECT DISTINCT caller_row FROM pairs) AS linked ON linked.caller_row = above.row
    WHERE above.calling AND ((above.call AND NOT above.traced) OR linked.caller_row IS NOT NULL)
),
-- told: the row whose figures the edge has.
calls AS (
    SELECT
        caller, 'segment' AS caller_kind, caller_number, callee, 'segment' AS callee_kind, callee_number,
        false AS link, CASE WHEN called <> callee THEN called ELSE '' END AS alias,
        CASE WHEN silent THEN callee_row ELSE caller_row END AS told
    FROM pairs WHERE NOT consumer AND apart
    UNION ALL
    SELECT
        CASE WHEN from_queue THEN peer ELSE caller END, CASE WHEN from_queue THEN peer_type ELSE 'segment' END,
        CASE WHEN from_queue THEN 0 ELSE caller_number END,
        CASE WHEN to_queue THEN queue ELSE callee END, CASE WHEN to_queue THEN 'queue' ELSE 'segment' END,
        CASE WHEN to_queue THEN 0 ELSE callee_number END, NOT to_queue, '',
        CASE WHEN from_queue OR caller_row < 0 THEN callee_row ELSE caller_row END
    FROM pairs WHERE consumer AND NOT (from_queue AND to_queue) AND (from_queue OR to_queue OR apart)
    UNION ALL
    SELECT peer, 'queue', 0, service, 'segment', number, true, '', row
    FROM s WHERE kind = 5 AND peer <> '' AND peer_type = 'queue'
    UNION ALL
    SELECT service, 'client', number, service, 'segment', number, false, '', row FROM roots
    UNION ALL
    SELECT service, 'segment', number, peer, peer_type, 0, false, '', row
    FROM s ANTI JOIN answered USING (row) ANTI JOIN nested USING (row)
    WHERE call AND NOT traced
),
-- How old events were when they were received, by the segment that received them.
ages AS (
    SELECT
        CASE WHEN to_queue THEN queue WHEN from_queue THEN peer ELSE caller END AS caller,
        CASE WHEN to_queue THEN 'queue' WHEN from_queue THEN peer_type ELSE 'segment' END AS caller_kind,
        CASE WHEN to_queue OR from_queue THEN 0 ELSE caller_number END AS caller_number,
        callee, callee_number, callee_row AS row, age_ns
    FROM pairs WHERE consumer AND (from_queue OR to_queue OR apart)
),
counted AS (
    SELECT
        'edge' AS part, caller, caller_kind, caller_number, callee, callee_kind, callee_number, link, alias, time_ns,
        (duration_ns + 500000) // 1000000 AS ms, false AS root,
        count(*) FILTER (NOT in_progress) AS requests, count(*) FILTER (outcome = 1 AND NOT in_progress) AS errors,
        count(*) FILTER (outcome = 2 AND NOT in_progress) AS throttles,
        count(*) FILTER (outcome = 3 AND NOT in_progress) AS faults,
        sum(duration_ns)::HUGEINT AS duration_ns, min(start_ns) AS first_ns, max(start_ns::HUGEINT + duration_ns) AS last_ns
    FROM calls JOIN s ON s.row = told
    WHERE counted
    GROUP BY ALL
    UNION ALL
    SELECT
        'node', '', '', 0, service, 'segment', number, false, '', time_ns, (duration_ns + 500000) // 1000000,
        bool_or(roots.row IS NOT NULL),
        count(*) FILTER (NOT in_progress), count(*) FILTER (outcome = 1 AND NOT in_progress),
        count(*) FILTER (outcome = 2 AND NOT in_progress), count(*) FILTER (outcome = 3 AND NOT in_progress),
        sum(duration_ns)::HUGEINT, min(start_ns), max(start_ns::HUGEINT + duration_ns)
    FROM s LEFT JOIN (SELECT row FROM roots) AS roots USING (row)
    WHERE counted AND segment
    GROUP BY ALL
    UNION ALL
    SELECT
        'age', ages.caller, caller_kind, caller_number, ages.callee, 'segment', callee_number, true, '', time_ns,
        (age_ns + 500000) // 1000000, false, count(*), 0, 0, 0, sum(age_ns)::HUGEINT, min(start_ns), max(start_ns::HUGEINT)
    FROM ages JOIN s USING (row)
    WHERE counted
    GROUP BY ALL
)
SELECT
    part, caller, caller_kind, caller_number, callee, callee_kind, callee_number, link, alias, time_ns,
    bool_or(root) AS root, sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors,
    sum(throttles)::BIGINT AS throttles, sum(faults)::BIGINT AS faults, sum(duration_ns)::DOUBLE AS duration_ns,
    min(first_ns) AS first_ns, least(max(last_ns), 9223372036854775807)::BIGINT AS last_ns,
    list(ms) AS ms, list(requests) AS counts
FROM counted
GROUP BY ALL
