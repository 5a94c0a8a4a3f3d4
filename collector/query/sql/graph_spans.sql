-- Calls between nodes and what services did, from the spans of the traces in the CTE `ids`: the same rules as
-- the roll-up of edges (collector/storage/rollups/edges.sql), for callers whose callees are all there.
-- `part` tells 'edge' rows from 'red' rows, whose service is in caller.
--
-- role: 0 nothing by itself, 1 a call to a peer that answers with no spans, 2 a call to a queue, 3 a call to a
-- peer that may be instrumented: it counts as a call to the peer only where no callee is found
/*ids*/, s AS MATERIALIZED (
    SELECT
        row_number() OVER () AS row, trace_hi, trace_lo, span_id, parent_id, service, kind, outcome,
        CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
        peer, CASE WHEN peer_type = '' THEN 'remote' ELSE peer_type END AS peer_type,
        CASE
            WHEN kind NOT IN (3, 4) OR peer = '' THEN 0
            WHEN peer_type = 'queue' THEN 2
            WHEN peer_type IN ('database', 'cache', 'aws') OR starts_with(peer_type, 'AWS::') THEN 1
            ELSE 3
        END AS role,
        kind IN (3, 4) AS calling, NOT calling AND (kind IN (2, 5) OR parent_id = 0) AS silent
    FROM spans SEMI JOIN ids USING (trace_hi, trace_lo)
    WHERE tenant = $tenant AND start_ns >= $start_ns AND start_ns < $reach_ns AND NOT in_progress AND service <> ''
),
links AS (
    SELECT DISTINCT
        s.row, s.parent_id, s.trace_hi, s.trace_lo, l.linked_trace_hi, l.linked_trace_lo, l.linked_span_id
    FROM span_links AS l JOIN s USING (trace_hi, trace_lo, span_id)
    WHERE
        l.tenant = $tenant AND l.span_start_ns >= $start_ns AND l.span_start_ns < $reach_ns
        AND CASE
            WHEN s.trace_hi = l.linked_trace_hi AND s.trace_lo = l.linked_trace_lo
            THEN s.kind = 5 AND s.parent_id <> l.linked_span_id
            ELSE s.kind IN (2, 5)
        END
),
elsewhere AS (
    SELECT
        trace_hi, trace_lo, span_id, service, outcome, kind, peer, peer_type,
        CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket
    FROM spans
    WHERE
        tenant = $tenant AND start_ns >= $before_ns AND start_ns < $reach_ns
        AND (trace_hi, trace_lo, span_id) IN (SELECT linked_trace_hi, linked_trace_lo, linked_span_id FROM links)
        AND (trace_hi, trace_lo) NOT IN (SELECT trace_hi, trace_lo FROM ids)
),
callers AS (
    SELECT row, trace_hi, trace_lo, span_id, service, peer, peer_type, role, silent, bucket, outcome FROM s
    UNION ALL
    SELECT
        0, trace_hi, trace_lo, span_id, service, peer, peer_type,
        CASE
            WHEN kind NOT IN (3, 4) OR peer = '' THEN 0
            WHEN peer_type = 'queue' THEN 2
            WHEN starts_with(peer_type, 'AWS::') THEN 1
            ELSE 0
        END, false, bucket, outcome
    FROM elsewhere
),
callees AS (
    SELECT row, trace_hi, trace_lo, parent_id AS span_id, kind = 5 AS consumer
    FROM s WHERE kind IN (2, 5) AND parent_id <> 0
    UNION ALL
    SELECT row, linked_trace_hi, linked_trace_lo, linked_span_id, true FROM links
),
pairs AS MATERIALIZED (
    SELECT
        callers.row AS caller_row, callers.role, callers.silent, callers.service AS caller, callers.peer,
        callers.peer_type,
        callers.bucket AS caller_bucket, callers.outcome AS caller_outcome,
        callee.service AS callee, callee.bucket AS callee_bucket, callee.outcome AS callee_outcome,
        callees.consumer,
        CASE WHEN callee.kind = 5 AND callee.peer_type = 'queue' THEN callee.peer ELSE '' END AS queue
    FROM callers
    JOIN callees USING (trace_hi, trace_lo, span_id)
    JOIN s AS callee ON callee.row = callees.row
),
answered AS (
    SELECT DISTINCT caller_row AS row FROM pairs WHERE role = 3 OR (role = 1 AND NOT consumer)
),
between_nodes AS (
    SELECT
        *, consumer AND (role = 2 OR (role = 1 AND starts_with(peer_type, 'AWS::'))) AS from_queue, queue <> '' AS to_queue,
        from_queue OR (silent AND NOT consumer) AS by_callee
    FROM pairs
    WHERE NOT (from_queue AND to_queue) AND (from_queue OR to_queue OR caller <> callee)
),
calls AS (
    SELECT
        CASE WHEN from_queue THEN peer ELSE caller END AS caller,
        CASE WHEN from_queue THEN peer_type ELSE 'service' END AS caller_type,
        CASE WHEN to_queue THEN queue ELSE callee END AS callee,
        CASE WHEN to_queue THEN 'queue' ELSE 'service' END AS callee_type,
        consumer AND NOT to_queue AS link,
        CASE WHEN by_callee THEN callee_bucket ELSE caller_bucket END AS bucket,
        CASE WHEN by_callee THEN callee_outcome ELSE caller_outcome END AS outcome
    FROM between_nodes
    UNION ALL
    SELECT peer, 'queue', service, 'service', true, bucket, outcome
    FROM s WHERE kind = 5 AND peer <> '' AND peer_type = 'queue'
    UNION ALL
    SELECT service, 'client', service, 'service', false, bucket, outcome FROM s WHERE kind = 2 AND parent_id = 0
    UNION ALL
    SELECT service, 'service', peer, peer_type, false, bucket, outcome
    FROM s ANTI JOIN answered USING (row) WHERE role <> 0
),
counted AS (
    SELECT 'edge' AS part, caller, caller_type, callee, callee_type, link, 0 AS kind, outcome, bucket, count(*) AS requests
    FROM calls
    GROUP BY ALL
    UNION ALL
    SELECT 'red', service, '', '', '', false, kind, outcome, bucket, count(*)
    FROM s
    GROUP BY ALL
)
SELECT
    part, caller, caller_type, callee, callee_type, link, kind, outcome,
    sum(requests)::BIGINT AS requests, list(bucket) AS buckets, list(requests) AS counts
FROM counted
GROUP BY ALL
UNION ALL
SELECT 'traces', '', '', '', '', false, 0, 0, count(*), [], [] FROM ids
