-- Edges: who called whom, per minute, in latency buckets, as the caller saw it.
--
-- What a span says alone is counted at once: a client's call to a database, cache, queue or AWS service, a consumer's
-- read from a queue, a root's unknown caller. Other calls wait for their callee in the live database (`callers`,
-- `callees`) and are counted when the second half of the pair arrives. A client that has waited long enough
-- ($judged is the last commit of such) counts as a call to a remote peer; should its callee come after all,
-- a negative row takes that back. So the sums depend on the rows only, not on how they were grouped.
--
-- callers.role: 0 nothing by itself, 1 counted at once, 2 counted at once as a call to a queue, 3 waits

-- name: tables
CREATE TABLE live_traces.callers (
    seq UBIGINT, tenant UINTEGER, trace_hi UBIGINT, trace_lo UBIGINT, span_id UBIGINT, role UTINYINT,
    service VARCHAR, peer VARCHAR, peer_type VARCHAR,
    minute_ns BIGINT, bucket SMALLINT, outcome UTINYINT, duration_ns BIGINT
);
-- A row for each span that a callee refers to: its parent, and for a consumer also what it is linked to.
CREATE TABLE live_traces.callees (
    seq UBIGINT, tenant UINTEGER, trace_hi UBIGINT, trace_lo UBIGINT, span_id UBIGINT, consumer BOOLEAN,
    service VARCHAR, queue VARCHAR, minute_ns BIGINT, bucket SMALLINT, outcome UTINYINT, duration_ns BIGINT
);

-- name: wait
INSERT INTO live_traces.callers
SELECT
    seq, tenant, trace_hi, trace_lo, span_id,
    CASE
        WHEN kind NOT IN (3, 4) OR peer = '' THEN 0
        WHEN peer_type = 'queue' THEN 2
        WHEN peer_type IN ('database', 'cache', 'aws') THEN 1
        ELSE 3
    END,
    service, peer, CASE WHEN peer_type = '' THEN 'remote' ELSE peer_type END,
    start_ns // 60000000000 * 60000000000,
    CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END, outcome, duration_ns
FROM spans
WHERE seq > $after AND seq <= $until;

INSERT INTO live_traces.callees
WITH called AS (
    SELECT
        seq, tenant, trace_hi, trace_lo, span_id, parent_id, kind = 5 AS consumer, service,
        CASE WHEN kind = 5 AND peer_type = 'queue' THEN peer ELSE '' END AS queue,
        start_ns // 60000000000 * 60000000000 AS minute_ns,
        CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END AS bucket, outcome, duration_ns
    FROM spans
    WHERE seq > $after AND seq <= $until AND kind IN (2, 5)
),
links AS (
    SELECT DISTINCT seq, tenant, trace_hi, trace_lo, span_id, linked_trace_hi, linked_trace_lo, linked_span_id
    FROM span_links
    WHERE seq > $after AND seq <= $until
)
SELECT
    seq, tenant, trace_hi, trace_lo, parent_id, consumer,
    service, queue, minute_ns, bucket, outcome, duration_ns
FROM called
WHERE parent_id <> 0
UNION ALL
SELECT
    seq, tenant, linked_trace_hi, linked_trace_lo, linked_span_id, consumer,
    service, queue, minute_ns, bucket, outcome, duration_ns
FROM called JOIN links USING (seq, tenant, trace_hi, trace_lo, span_id)
WHERE
    consumer
    AND NOT (trace_hi = linked_trace_hi AND trace_lo = linked_trace_lo AND parent_id = linked_span_id);

-- name: roll
INSERT INTO live_traces.edges
WITH told AS (
    SELECT
        tenant, start_ns // 60000000000 * 60000000000 AS minute_ns, service, peer, peer_type, kind, parent_id,
        CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT AS bucket,
        outcome, duration_ns
    FROM spans
    WHERE seq > $after AND seq <= $until AND (
        (kind IN (3, 4) AND peer <> '' AND peer_type IN ('database', 'cache', 'queue', 'aws'))
        OR (kind = 5 AND peer <> '' AND peer_type = 'queue')
        OR (kind = 2 AND parent_id = 0)
    )
),
calls AS (
    SELECT
        tenant, minute_ns,
        CASE kind WHEN 5 THEN peer ELSE service END AS caller,
        CASE kind WHEN 5 THEN 'queue' WHEN 2 THEN 'client' ELSE 'service' END AS caller_type,
        CASE WHEN kind IN (3, 4) THEN peer ELSE service END AS callee,
        CASE WHEN kind IN (3, 4) THEN peer_type ELSE 'service' END AS callee_type,
        kind = 5 AS link, bucket, outcome, duration_ns
    FROM told
)
SELECT
    $until, tenant, minute_ns, caller, caller_type, callee, callee_type, link, bucket,
    count(*), count(*) FILTER (outcome = 1), count(*) FILTER (outcome = 2), count(*) FILTER (outcome = 3),
    sum(duration_ns)
FROM calls
GROUP BY ALL;

-- name: pair
CREATE OR REPLACE TEMP TABLE pairs AS
WITH matched AS (
    SELECT
        r.rowid AS caller_row, r.seq AS caller_seq, tenant, r.role,
        r.service AS caller_service, r.peer, r.peer_type, r.minute_ns AS caller_minute,
        r.bucket AS caller_bucket, r.outcome AS caller_outcome, r.duration_ns AS caller_duration,
        e.seq AS callee_seq, e.consumer, e.service AS callee_service, e.queue, e.minute_ns AS callee_minute,
        e.bucket AS callee_bucket, e.outcome AS callee_outcome, e.duration_ns AS callee_duration
    FROM live_traces.callers r JOIN live_traces.callees e USING (tenant, trace_hi, trace_lo, span_id)
)
SELECT * FROM matched WHERE callee_seq > $after
UNION ALL
SELECT * FROM matched WHERE callee_seq <= $after AND caller_seq > $after;

-- name: count
-- A way that leads through a queue which one side names goes through the queue.
INSERT INTO live_traces.edges
WITH calls AS (
    SELECT
        *, role = 2 AND consumer AS from_queue, queue <> '' AS to_queue
    FROM pairs
    WHERE NOT (from_queue AND to_queue) AND (from_queue OR to_queue OR caller_service <> callee_service)
)
SELECT
    $until, tenant,
    CASE WHEN from_queue THEN callee_minute ELSE caller_minute END,
    CASE WHEN from_queue THEN peer ELSE caller_service END,
    CASE WHEN from_queue THEN 'queue' ELSE 'service' END,
    CASE WHEN to_queue THEN queue ELSE callee_service END,
    CASE WHEN to_queue THEN 'queue' ELSE 'service' END,
    consumer AND NOT to_queue,
    CASE WHEN from_queue THEN callee_bucket ELSE caller_bucket END,
    count(*),
    count(*) FILTER (CASE WHEN from_queue THEN callee_outcome ELSE caller_outcome END = 1),
    count(*) FILTER (CASE WHEN from_queue THEN callee_outcome ELSE caller_outcome END = 2),
    count(*) FILTER (CASE WHEN from_queue THEN callee_outcome ELSE caller_outcome END = 3),
    sum(CASE WHEN from_queue THEN callee_duration ELSE caller_duration END)
FROM calls
GROUP BY ALL;

-- name: correct
-- The first callee of a call that was counted as one to its peer.
INSERT INTO live_traces.edges
WITH answered AS (
    SELECT DISTINCT
        caller_row, caller_seq, tenant, caller_minute, caller_service, peer, peer_type,
        caller_bucket, caller_outcome, caller_duration
    FROM pairs
    WHERE (role = 3 AND caller_seq <= $judged) OR (role = 1 AND NOT consumer)
),
before AS (
    SELECT DISTINCT r.rowid AS caller_row
    FROM live_traces.callers r JOIN live_traces.callees e USING (tenant, trace_hi, trace_lo, span_id)
    WHERE
        r.rowid IN (SELECT caller_row FROM answered) AND r.seq <= $after AND e.seq <= $after
        AND (r.role = 3 OR NOT e.consumer)
)
SELECT
    $until, tenant, caller_minute, caller_service, 'service', peer, peer_type, false, caller_bucket,
    -count(*), -count(*) FILTER (caller_outcome = 1), -count(*) FILTER (caller_outcome = 2),
    -count(*) FILTER (caller_outcome = 3), -sum(caller_duration)
FROM answered ANTI JOIN before USING (caller_row)
GROUP BY ALL;

-- name: judge
INSERT INTO live_traces.edges
SELECT
    $until, tenant, minute_ns, service, 'service', peer, peer_type, false, bucket,
    count(*), count(*) FILTER (outcome = 1), count(*) FILTER (outcome = 2), count(*) FILTER (outcome = 3),
    sum(duration_ns)
FROM live_traces.callers ANTI JOIN live_traces.callees USING (tenant, trace_hi, trace_lo, span_id)
WHERE role = 3 AND seq > $judged AND seq <= $judge
GROUP BY ALL;

-- name: give up
DELETE FROM live_traces.callers WHERE seq <= $given_up;
DELETE FROM live_traces.callees WHERE seq <= $given_up;

-- name: flush
INSERT INTO edges
SELECT
    $until, tenant, minute_ns, caller, caller_type, callee, callee_type, link, bucket,
    sum(requests), sum(errors), sum(throttles), sum(faults), sum(duration_ns)
FROM live_traces.edges
WHERE seq > $after
GROUP BY ALL
HAVING sum(requests) <> 0 OR sum(errors) <> 0 OR sum(throttles) <> 0 OR sum(faults) <> 0 OR sum(duration_ns) <> 0
ORDER BY minute_ns, caller, callee;
