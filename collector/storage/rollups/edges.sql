-- Edges: who called whom, per minute, in latency buckets, as the caller saw it.
--
-- What a span says alone is counted at once (`roll`): a client's call to a database, cache, queue or AWS service,
-- a consumer's read from a queue, a root's unknown caller ('client' for a server, 'root consumer' and 'root' for the
-- others, which only X-Ray's graph shows). Other calls are counted when the second half of the
-- pair arrives. Both halves are looked for in the rows of the commits in ($given_up, $until]. A client whose
-- commit is $judged or older and that has no callee counts as a call to a remote peer; should the callee come
-- after all, a negative row takes that back. So the sums depend on the rows only, not on how they were grouped
-- into commits and passes. Spans that were sent twice are two rows everywhere, but one caller to their callees:
-- all joins are semi joins, so that ids used by thousands of spans do not multiply.
--
-- A service that calls itself has edges of caller_type 'self', which only X-Ray's graph shows. Where the caller's
-- half is no call but what it served itself, the callee's own figures tell of the call.
--
-- role: 0 nothing by itself, 1 counted at once, 2 counted at once as a call to a queue, 3 judged later

-- name: near
-- The spans of ($given_up, $until] in which anything can be found in this pass: those of the traces of new spans and
-- of the calls that are judged, and of what these refer to or are referred to by. The view `recent_spans` shows them,
-- where they are a small part of all that wait. Halves of ids tell traces apart well enough, as nothing is counted by them.
CREATE OR REPLACE TEMP TABLE near_spans AS
WITH seeds AS (
    SELECT trace_lo FROM waiting_spans WHERE seq > $after AND seq <= $until
    UNION
    SELECT trace_lo FROM waiting_spans WHERE seq > $judged AND seq <= $judge AND kind IN (3, 4) AND peer <> ''
),
referred AS (
    FROM seeds
    UNION
    SELECT linked_trace_lo FROM waiting_links WHERE seq > $given_up AND trace_lo IN (FROM seeds)
),
near AS (
    FROM referred
    UNION
    SELECT trace_lo FROM waiting_links WHERE seq > $given_up AND linked_trace_lo IN (FROM referred)
)
SELECT
    seq, tenant, trace_hi, trace_lo, span_id, parent_id, kind, service, peer, peer_type, start_ns, outcome,
    duration_ns, file_no, row_no
FROM waiting_spans
WHERE seq > $given_up AND seq <= $until AND trace_lo IN (FROM near);

-- name: callees
-- The view `recent_callees`: a row for each span that a callee refers to, here its parent.
SELECT
    seq, tenant, trace_hi, trace_lo, parent_id AS span_id, kind = 5 AS consumer, service,
    CASE WHEN kind = 5 AND peer_type = 'queue' THEN peer ELSE '' END AS queue, start_ns, outcome, duration_ns
FROM recent_spans
WHERE kind IN (2, 5) AND parent_id <> 0

-- name: linked callees
-- More rows for it when there are links: for a consumer, what it is linked to; for a server only what is in another
-- trace, which is how X-Ray's segments tell of events.
SELECT
    s.seq, s.tenant, l.linked_trace_hi, l.linked_trace_lo, l.linked_span_id, true, s.service,
    CASE WHEN s.kind = 5 AND s.peer_type = 'queue' THEN s.peer ELSE '' END, s.start_ns, s.outcome, s.duration_ns
FROM recent_spans s JOIN (
    SELECT DISTINCT seq, tenant, trace_hi, trace_lo, span_id, linked_trace_hi, linked_trace_lo, linked_span_id
    FROM waiting_links
) l USING (seq, tenant, trace_hi, trace_lo, span_id)
WHERE CASE
    WHEN trace_hi = l.linked_trace_hi AND trace_lo = l.linked_trace_lo
    THEN s.kind = 5 AND s.parent_id <> l.linked_span_id
    ELSE s.kind IN (2, 5)
END

-- name: roll
INSERT INTO live_traces.edges
WITH told AS (
    SELECT
        tenant, start_ns // 60000000000 * 60000000000 AS minute_ns, service, peer, peer_type, kind, parent_id,
        CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
        outcome, duration_ns
    FROM spans
    WHERE seq > $after AND seq <= $until AND NOT in_progress AND service <> '' AND (
        (kind IN (3, 4) AND peer <> '' AND (
            peer_type IN ('database', 'cache', 'queue', 'aws') OR starts_with(peer_type, 'AWS::')
        ))
        OR (kind = 5 AND peer <> '' AND peer_type = 'queue')
        OR parent_id = 0
    )
),
calls AS (
    SELECT
        tenant, minute_ns,
        CASE kind WHEN 5 THEN peer ELSE service END AS caller,
        CASE kind WHEN 5 THEN 'queue' ELSE 'service' END AS caller_type,
        CASE WHEN kind IN (3, 4) THEN peer ELSE service END AS callee,
        CASE WHEN kind IN (3, 4) THEN peer_type ELSE 'service' END AS callee_type,
        kind = 5 AS link, bucket, outcome, duration_ns
    FROM told
    WHERE kind IN (3, 4, 5) AND peer <> '' AND (
        peer_type = 'queue'
        OR (kind <> 5 AND (peer_type IN ('database', 'cache', 'aws') OR starts_with(peer_type, 'AWS::')))
    )
    UNION ALL
    SELECT
        tenant, minute_ns, service, CASE kind WHEN 2 THEN 'client' WHEN 5 THEN 'root consumer' ELSE 'root' END,
        service, 'service', false, bucket, outcome, duration_ns
    FROM told
    WHERE parent_id = 0
),
counted AS (
    SELECT
        tenant, minute_ns, caller, caller_type, callee, callee_type, link, outcome, bucket,
        count(*)::INTEGER AS requests, sum(duration_ns) AS duration_ns
    FROM calls
    GROUP BY ALL
)
SELECT
    $until, tenant, minute_ns, caller, caller_type, callee, callee_type, link, outcome,
    sum(requests), sum(duration_ns), list(bucket), list(requests)
FROM counted
GROUP BY ALL;

-- name: callee
-- References that may be counted now: new ones, and older ones to new spans.
CREATE OR REPLACE TEMP TABLE callee AS
SELECT * FROM recent_callees WHERE seq > $after AND seq <= $until
UNION ALL
SELECT *
FROM recent_callees SEMI JOIN (
    SELECT tenant, trace_hi, trace_lo, span_id FROM recent_spans WHERE seq > $after AND seq <= $until
) USING (tenant, trace_hi, trace_lo, span_id)
WHERE seq > $given_up AND seq <= $after;

-- name: caller
CREATE OR REPLACE TEMP TABLE caller AS
SELECT
    seq, tenant, trace_hi, trace_lo, span_id, file_no, row_no,
    CASE
        WHEN kind NOT IN (3, 4) OR peer = '' THEN 0
        WHEN peer_type = 'queue' THEN 2
        WHEN peer_type IN ('database', 'cache', 'aws') OR starts_with(peer_type, 'AWS::') THEN 1
        ELSE 3
    END AS role,
    kind IN (3, 4) AS calling, NOT calling AND (kind IN (2, 5) OR parent_id = 0) AS silent,
    service, peer, peer_type, start_ns, outcome, duration_ns
FROM recent_spans SEMI JOIN callee USING (tenant, trace_hi, trace_lo, span_id)
WHERE seq > $given_up AND seq <= $until;

-- name: count
-- A way that leads through a queue which one side names goes through the queue; so does what AWS hands on.
INSERT INTO live_traces.edges
WITH one_caller AS (
    SELECT
        tenant, trace_hi, trace_lo, span_id, min(seq) AS seq, min(role) AS role, bool_and(silent) AS silent,
        bool_or(calling) AS calling, min(peer_type) AS peer_type, min(service) AS service,
        min(peer) AS peer, min(start_ns) AS start_ns, min(outcome) AS outcome, min(duration_ns) AS duration_ns
    FROM caller
    GROUP BY tenant, trace_hi, trace_lo, span_id
),
pairs AS (
    SELECT
        tenant, r.service AS caller, r.peer, e.service AS callee, e.consumer, e.queue,
        r.peer_type, e.consumer AND (r.role = 2 OR (r.role = 1 AND starts_with(r.peer_type, 'AWS::'))) AS from_queue, e.queue <> '' AS to_queue,
        r.calling AS called, from_queue OR (r.silent AND NOT e.consumer) AS by_callee,
        CASE WHEN by_callee THEN e.start_ns ELSE r.start_ns END AS start_ns,
        CASE WHEN by_callee THEN e.outcome ELSE r.outcome END AS outcome,
        CASE WHEN by_callee THEN e.duration_ns ELSE r.duration_ns END AS duration_ns
    FROM callee e JOIN one_caller r USING (tenant, trace_hi, trace_lo, span_id)
    WHERE e.seq > $after OR r.seq > $after
),
calls AS (
    SELECT
        tenant, start_ns, outcome, duration_ns,
        CASE WHEN from_queue THEN peer ELSE caller END AS caller,
        CASE
            WHEN from_queue THEN peer_type
            WHEN to_queue OR caller <> callee THEN 'service'
            ELSE 'self'
        END AS caller_type,
        CASE WHEN to_queue THEN queue ELSE callee END AS callee,
        CASE WHEN to_queue THEN 'queue' ELSE 'service' END AS callee_type,
        consumer AND NOT to_queue AS link
    FROM pairs
    WHERE NOT (from_queue AND to_queue) AND (from_queue OR to_queue OR called OR caller <> callee)
),
counted AS (
    SELECT
        tenant, start_ns // 60000000000 * 60000000000 AS minute_ns, caller, caller_type, callee, callee_type, link,
        outcome, CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
        count(*)::INTEGER AS requests, sum(duration_ns) AS duration_ns
    FROM calls
    GROUP BY ALL
)
SELECT
    $until, tenant, minute_ns, caller, caller_type, callee, callee_type, link, outcome,
    sum(requests), sum(duration_ns), list(bucket), list(requests)
FROM counted
GROUP BY ALL;

-- name: answered
-- Calls counted as ones to their peer that have a callee now. A consumer says nothing about a database.
CREATE OR REPLACE TEMP TABLE answered AS
SELECT *
FROM caller SEMI JOIN callee USING (tenant, trace_hi, trace_lo, span_id)
WHERE role = 3 AND seq <= $judged
UNION ALL
SELECT *
FROM caller SEMI JOIN (FROM callee WHERE NOT consumer) USING (tenant, trace_hi, trace_lo, span_id)
WHERE role = 1;

-- name: correct
-- Only the first callee takes the call to the peer back.
INSERT INTO live_traces.edges
WITH before AS (
    SELECT tenant, trace_hi, trace_lo, span_id, bool_or(NOT consumer) AS called
    FROM recent_callees SEMI JOIN answered USING (tenant, trace_hi, trace_lo, span_id)
    WHERE seq > $given_up AND seq <= $after
    GROUP BY ALL
),
back AS (
    SELECT a.*
    FROM answered a LEFT JOIN before USING (tenant, trace_hi, trace_lo, span_id)
    WHERE seq > $after OR called IS NULL OR (role = 1 AND NOT called)
),
counted AS (
    SELECT
        tenant, start_ns // 60000000000 * 60000000000 AS minute_ns, service, peer,
        CASE WHEN peer_type = '' THEN 'remote' ELSE peer_type END AS type, outcome,
        CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
        -count(*)::INTEGER AS requests, -sum(duration_ns) AS duration_ns
    FROM back
    GROUP BY ALL
)
SELECT
    $until, tenant, minute_ns, service, 'service', peer, type, false, outcome,
    sum(requests), sum(duration_ns), list(bucket), list(requests)
FROM counted
GROUP BY ALL;

-- name: judge
INSERT INTO live_traces.edges
WITH counted AS (
    SELECT
        tenant, start_ns // 60000000000 * 60000000000 AS minute_ns, service, peer,
        CASE WHEN peer_type = '' THEN 'remote' ELSE peer_type END AS type, outcome,
        CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
        count(*)::INTEGER AS requests, sum(duration_ns) AS duration_ns
    FROM recent_spans ANTI JOIN (
        SELECT tenant, trace_hi, trace_lo, span_id FROM recent_callees WHERE seq > $given_up AND seq <= $until
    ) USING (tenant, trace_hi, trace_lo, span_id)
    WHERE
        seq > $judged AND seq <= $judge
        AND kind IN (3, 4) AND peer <> '' AND peer_type NOT IN ('database', 'cache', 'queue', 'aws')
        AND NOT starts_with(peer_type, 'AWS::')
    GROUP BY ALL
)
SELECT
    $until, tenant, minute_ns, service, 'service', peer, type, false, outcome,
    sum(requests), sum(duration_ns), list(bucket), list(requests)
FROM counted
GROUP BY ALL;

-- name: flush
-- What corrections have taken back altogether is left out; time that they leave is kept without requests.
INSERT INTO edges
WITH cells AS (
    SELECT
        tenant, minute_ns, caller, caller_type, callee, callee_type, link, outcome,
        unnest(buckets) AS bucket, unnest(counts) AS requests
    FROM live_traces.edges
    WHERE seq > $after
),
merged AS (
    SELECT
        tenant, minute_ns, caller, caller_type, callee, callee_type, link, outcome,
        bucket, sum(requests)::INTEGER AS requests
    FROM cells
    GROUP BY ALL
    HAVING sum(requests) <> 0
),
histograms AS (
    SELECT
        tenant, minute_ns, caller, caller_type, callee, callee_type, link, outcome,
        list(bucket ORDER BY bucket) AS buckets, list(requests ORDER BY bucket) AS counts
    FROM merged
    GROUP BY ALL
),
sums AS (
    SELECT
        tenant, minute_ns, caller, caller_type, callee, callee_type, link, outcome,
        sum(requests) AS requests, sum(duration_ns) AS duration_ns
    FROM live_traces.edges
    WHERE seq > $after
    GROUP BY ALL
)
SELECT $until, sums.*, coalesce(buckets, []), coalesce(counts, [])
FROM sums LEFT JOIN histograms USING (tenant, minute_ns, caller, caller_type, callee, callee_type, link, outcome)
WHERE buckets IS NOT NULL OR duration_ns <> 0
ORDER BY minute_ns, caller, callee;
