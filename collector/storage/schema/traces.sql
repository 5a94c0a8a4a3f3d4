-- Tables of a traces period file, version 4. Columns are those of collector/batch.py after `seq`.
-- `seq` is the commit's number, monotonic over all files of a signal. Ids are big-endian halves; 0 means none.

CREATE TABLE spans (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    trace_hi UBIGINT NOT NULL,
    trace_lo UBIGINT NOT NULL,
    span_id UBIGINT NOT NULL,
    parent_id UBIGINT NOT NULL,
    start_ns BIGINT NOT NULL,
    duration_ns BIGINT NOT NULL,               -- end - start as sent; negative when the clock went back
    service VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    kind UTINYINT NOT NULL,                    -- OTLP: 0 unspecified 1 internal 2 server 3 client 4 producer 5 consumer
    outcome UTINYINT NOT NULL,                 -- 0 ok, 1 error (4xx), 2 throttle (429), 3 fault (5xx or status ERROR)
    status UTINYINT NOT NULL,                  -- OTLP: 0 unset 1 ok 2 error
    status_message VARCHAR NOT NULL,
    http_method VARCHAR NOT NULL,
    http_status USMALLINT NOT NULL,            -- 0: none
    peer VARCHAR NOT NULL,                     -- what a client or producer span calls when nobody instrumented it
    peer_type VARCHAR NOT NULL,                -- '' database cache queue rpc remote aws, or X-Ray's type: AWS::…
    trace_state VARCHAR NOT NULL,
    flags UINTEGER NOT NULL,
    resource_id UBIGINT NOT NULL,
    scope_id UBIGINT NOT NULL,
    shape UBIGINT NOT NULL,
    attrs VARCHAR NOT NULL USING COMPRESSION zstd,
    dropped_attributes UINTEGER NOT NULL,
    dropped_events UINTEGER NOT NULL,
    dropped_links UINTEGER NOT NULL,
    in_progress BOOLEAN NOT NULL               -- X-Ray: sent before its end; duration 0, and no roll-up counts it
);

CREATE TABLE span_events (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    trace_hi UBIGINT NOT NULL,
    trace_lo UBIGINT NOT NULL,
    span_id UBIGINT NOT NULL,
    span_start_ns BIGINT NOT NULL,             -- the span's, so that both are found in one time range
    time_ns BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    exception_type VARCHAR NOT NULL,
    shape UBIGINT NOT NULL,
    attrs VARCHAR NOT NULL USING COMPRESSION zstd,
    dropped_attributes UINTEGER NOT NULL
);

CREATE TABLE span_links (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    trace_hi UBIGINT NOT NULL,
    trace_lo UBIGINT NOT NULL,
    span_id UBIGINT NOT NULL,
    span_start_ns BIGINT NOT NULL,
    linked_trace_hi UBIGINT NOT NULL,
    linked_trace_lo UBIGINT NOT NULL,
    linked_span_id UBIGINT NOT NULL,
    trace_state VARCHAR NOT NULL,
    flags UINTEGER NOT NULL,
    shape UBIGINT NOT NULL,
    attrs VARCHAR NOT NULL,
    dropped_attributes UINTEGER NOT NULL
);

-- X-Ray documents as they were sent, one for each segment and each independent subsegment; the spans made of them
-- stand in `spans`. A document can come again: a complete one stands above one in progress, a later above an earlier.
CREATE TABLE segments (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    trace_hi UBIGINT NOT NULL,
    trace_lo UBIGINT NOT NULL,
    span_id UBIGINT NOT NULL,
    parent_id UBIGINT NOT NULL,
    start_ns BIGINT NOT NULL,
    in_progress BOOLEAN NOT NULL,
    subsegment BOOLEAN NOT NULL,               -- sent alone, "type": "subsegment"
    document VARCHAR NOT NULL USING COMPRESSION zstd
);

-- Roll-ups: derived from the rows above, merged by addition (counts, sums), least and greatest (times).
-- `seq` is the last commit that a row covers.

CREATE TABLE trace_index (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    trace_hi UBIGINT NOT NULL,
    trace_lo UBIGINT NOT NULL,
    first_ns BIGINT NOT NULL,
    last_ns BIGINT NOT NULL,                   -- greatest end
    spans UINTEGER NOT NULL,
    errors UINTEGER NOT NULL,
    throttles UINTEGER NOT NULL,
    faults UINTEGER NOT NULL,
    services VARCHAR[] NOT NULL,
    root_service VARCHAR NOT NULL,             -- '' while no span without a parent was seen
    root_name VARCHAR NOT NULL,
    root_start_ns BIGINT NOT NULL,             -- 0 without a root
    root_duration_ns BIGINT NOT NULL,
    root_outcome UTINYINT NOT NULL,
    root_method VARCHAR NOT NULL,
    root_status USMALLINT NOT NULL
);

CREATE TABLE red (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    minute_ns BIGINT NOT NULL,                 -- start of the minute in which the spans started
    service VARCHAR NOT NULL,
    kind UTINYINT NOT NULL,
    outcome UTINYINT NOT NULL,
    requests BIGINT NOT NULL,
    duration_ns HUGEINT NOT NULL,              -- sum
    buckets SMALLINT[] NOT NULL,               -- floor(8 * log2(duration_ns)): eight buckets an octave; 0 for <= 1 ns
    counts INTEGER[] NOT NULL                  -- the requests in each of them
);

CREATE TABLE edges (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    minute_ns BIGINT NOT NULL,
    caller VARCHAR NOT NULL,
    caller_type VARCHAR NOT NULL,              -- 'service', 'client' (who calls a root), 'queue', AWS::…; X-Ray's graph
                                               -- alone: 'root', 'root consumer' (no server), 'self'
    callee VARCHAR NOT NULL,
    callee_type VARCHAR NOT NULL,              -- 'service' or a peer_type
    link BOOLEAN NOT NULL,                     -- messaging: joined by a link or through a queue
    outcome UTINYINT NOT NULL,
    requests BIGINT NOT NULL,                  -- as the caller saw them; negative rows correct earlier ones
    duration_ns HUGEINT NOT NULL,
    buckets SMALLINT[] NOT NULL,
    counts INTEGER[] NOT NULL
);
