-- Edges: who called whom, per minute, in latency buckets, as the caller saw it.
--
-- What a span says alone is counted at once: a client's call to a database, cache, queue or AWS service, a
-- consumer's read from a queue, a root's unknown caller. Other calls are counted when the second half of the
-- pair arrives. Both halves are looked for in the rows of the commits in ($given_up, $until], which the roller
-- shows as `recent_spans` and `recent_links`. A client whose commit is $judged or older and that has no callee
-- counts as a call to a remote peer; should the callee come after all, a negative row takes that back. So the
-- sums depend on the rows only, not on how they were grouped into commits and passes.
--
-- role: 0 nothing by itself, 1 counted at once, 2 counted at once as a call to a queue, 3 judged later

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
WITH callers AS NOT MATERIALIZED (
    SELECT
        seq, tenant, trace_hi, trace_lo, span_id, file_no, row_no,
        kind,
        service, peer, peer_type, start_ns, outcome, duration_ns
    FROM recent_spans
    WHERE seq > $given_up AND seq <= $until
),
called AS NOT MATERIALIZED (
    SELECT
        seq, tenant, trace_hi, trace_lo, span_id, parent_id, kind = 5 AS consumer, service,
        CASE WHEN kind = 5 AND peer_type = 'queue' THEN peer ELSE '' END AS queue,
        start_ns, outcome, duration_ns
    FROM recent_spans
    WHERE seq > $given_up AND seq <= $until AND kind IN (2, 5)
),
links AS NOT MATERIALIZED (
    SELECT DISTINCT seq, tenant, trace_hi, trace_lo, span_id, linked_trace_hi, linked_trace_lo, linked_span_id
    FROM recent_links
    WHERE seq > $given_up AND seq <= $until
),
-- A row for each span that a callee refers to: its parent, and for a consumer also what it is linked to.
callees AS NOT MATERIALIZED (
    SELECT
        seq, tenant, trace_hi, trace_lo, parent_id AS span_id,
        consumer, service, queue, start_ns, outcome, duration_ns
    FROM called
    WHERE parent_id <> 0
    UNION ALL
    SELECT
        seq, tenant, linked_trace_hi, linked_trace_lo, linked_span_id,
        consumer, service, queue, start_ns, outcome, duration_ns
    FROM called JOIN links USING (seq, tenant, trace_hi, trace_lo, span_id)
    WHERE
        consumer
        AND NOT (trace_hi = linked_trace_hi AND trace_lo = linked_trace_lo AND parent_id = linked_span_id)
),
matched AS NOT MATERIALIZED (
    SELECT
        tenant, trace_hi, trace_lo, span_id, r.file_no, r.row_no, r.seq AS caller_seq, r.kind,
        r.service AS caller_service, r.peer, r.peer_type, r.start_ns AS caller_start_ns,
        r.outcome AS caller_outcome, r.duration_ns AS caller_duration,
        e.seq AS callee_seq, e.consumer, e.service AS callee_service, e.queue,
        e.start_ns AS callee_start_ns, e.outcome AS callee_outcome, e.duration_ns AS callee_duration
    FROM callers r JOIN callees e USING (tenant, trace_hi, trace_lo, span_id)
)
SELECT
    *,
    CASE
        WHEN kind NOT IN (3, 4) OR peer = '' THEN 0
        WHEN peer_type = 'queue' THEN 2
        WHEN peer_type IN ('database', 'cache', 'aws') THEN 1
        ELSE 3
    END AS role
FROM (
    SELECT * FROM matched WHERE callee_seq > $after
    UNION ALL
    SELECT * FROM matched WHERE callee_seq <= $after AND caller_seq > $after
);

-- name: count
-- A way that leads through a queue which one side names goes through the queue.
INSERT INTO live_traces.edges
WITH counted AS (
    SELECT *, role = 2 AND consumer AS from_queue, queue <> '' AS to_queue
    FROM pairs
    WHERE NOT (from_queue AND to_queue) AND (from_queue OR to_queue OR caller_service <> callee_service)
),
calls AS (
    SELECT
        tenant,
        CASE WHEN from_queue THEN peer ELSE caller_service END AS caller,
        CASE WHEN from_queue THEN 'queue' ELSE 'service' END AS caller_type,
        CASE WHEN to_queue THEN queue ELSE callee_service END AS callee,
        CASE WHEN to_queue THEN 'queue' ELSE 'service' END AS callee_type,
        consumer AND NOT to_queue AS link,
        CASE WHEN from_queue THEN callee_start_ns ELSE caller_start_ns END AS start_ns,
        CASE WHEN from_queue THEN callee_outcome ELSE caller_outcome END AS outcome,
        CASE WHEN from_queue THEN callee_duration ELSE caller_duration END AS duration_ns
    FROM counted
)
SELECT
    $until, tenant, start_ns // 60000000000 * 60000000000, caller, caller_type, callee, callee_type, link,
    CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT,
    count(*), count(*) FILTER (outcome = 1), count(*) FILTER (outcome = 2), count(*) FILTER (outcome = 3),
    sum(duration_ns)
FROM calls
GROUP BY ALL;

-- name: answered
-- Calls counted as ones to their peer for which a callee has come now.
CREATE OR REPLACE TEMP TABLE answered AS
SELECT DISTINCT
    tenant, trace_hi, trace_lo, span_id, file_no, row_no, caller_seq, role, caller_service, peer, peer_type,
    caller_start_ns, caller_outcome, caller_duration
FROM pairs
WHERE (role = 3 AND caller_seq <= $judged) OR (role = 1 AND NOT consumer);

-- name: correct
-- Only the first callee takes the call to the peer back.
INSERT INTO live_traces.edges
WITH referring AS (
    SELECT tenant, trace_hi, trace_lo, parent_id AS span_id, kind = 5 AS consumer
    FROM recent_spans
    WHERE seq > $given_up AND seq <= $after AND kind IN (2, 5) AND parent_id <> 0
    UNION ALL
    SELECT tenant, l.linked_trace_hi, l.linked_trace_lo, l.linked_span_id, true
    FROM recent_links l JOIN recent_spans s USING (seq, tenant, trace_hi, trace_lo, span_id)
    WHERE seq > $given_up AND seq <= $after AND s.kind = 5
),
before AS (
    SELECT DISTINCT file_no, row_no
    FROM answered JOIN referring USING (tenant, trace_hi, trace_lo, span_id)
    WHERE caller_seq <= $after AND (role = 3 OR NOT consumer)
)
SELECT
    $until, tenant, caller_start_ns // 60000000000 * 60000000000, caller_service, 'service', peer,
    CASE WHEN peer_type = '' THEN 'remote' ELSE peer_type END, false,
    CASE WHEN caller_duration <= 1 THEN 0 ELSE floor(8 * log2(caller_duration)) END::SMALLINT,
    -count(*), -count(*) FILTER (caller_outcome = 1), -count(*) FILTER (caller_outcome = 2),
    -count(*) FILTER (caller_outcome = 3), -sum(caller_duration)
FROM answered ANTI JOIN before USING (file_no, row_no)
GROUP BY ALL;

-- name: judge
INSERT INTO live_traces.edges
WITH referring AS (
    SELECT tenant, trace_hi, trace_lo, parent_id AS span_id
    FROM recent_spans
    WHERE seq > $given_up AND seq <= $until AND kind IN (2, 5) AND parent_id <> 0
    UNION ALL
    SELECT tenant, l.linked_trace_hi, l.linked_trace_lo, l.linked_span_id
    FROM recent_links l JOIN recent_spans s USING (seq, tenant, trace_hi, trace_lo, span_id)
    WHERE seq > $given_up AND seq <= $until AND s.kind = 5
)
SELECT
    $until, tenant, start_ns // 60000000000 * 60000000000, service, 'service', peer,
    CASE WHEN peer_type = '' THEN 'remote' ELSE peer_type END, false,
    CASE WHEN duration_ns <= 1 THEN 0 ELSE floor(8 * log2(duration_ns)) END::SMALLINT,
    count(*), count(*) FILTER (outcome = 1), count(*) FILTER (outcome = 2), count(*) FILTER (outcome = 3),
    sum(duration_ns)
FROM recent_spans ANTI JOIN referring USING (tenant, trace_hi, trace_lo, span_id)
WHERE
    seq > $judged AND seq <= $judge
    AND kind IN (3, 4) AND peer <> '' AND peer_type NOT IN ('database', 'cache', 'queue', 'aws')
GROUP BY ALL;

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
