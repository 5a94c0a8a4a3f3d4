-- Schema 4: a row of red and edges has the whole histogram, for each outcome one. The time that the rows of one
-- bucket had together is given to the first outcome that is in it.
CREATE TABLE red_by_bucket AS FROM red;
DROP TABLE red;
CREATE TABLE red (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    minute_ns BIGINT NOT NULL,
    service VARCHAR NOT NULL,
    kind UTINYINT NOT NULL,
    outcome UTINYINT NOT NULL,
    requests BIGINT NOT NULL,
    duration_ns HUGEINT NOT NULL,
    buckets SMALLINT[] NOT NULL,
    counts INTEGER[] NOT NULL
);
INSERT INTO red
WITH told AS (
    SELECT *, [requests - errors - throttles - faults, errors, throttles, faults] AS by_outcome
    FROM red_by_bucket
),
cells AS (
    SELECT
        seq, tenant, minute_ns, service, kind, bucket, duration_ns,
        coalesce(list_position(list_transform(by_outcome, lambda each: each <> 0), true), 1) AS first,
        unnest([1, 2, 3, 4]) AS place, unnest(by_outcome) AS requests
    FROM told
)
SELECT
    seq, tenant, minute_ns, service, kind, place - 1 AS outcome, sum(requests),
    sum(CASE WHEN place = first THEN duration_ns ELSE 0 END),
    coalesce(list(bucket ORDER BY bucket) FILTER (requests <> 0), []),
    coalesce(list(requests ORDER BY bucket) FILTER (requests <> 0), [])
FROM cells
WHERE requests <> 0 OR place = first
GROUP BY ALL
ORDER BY seq, minute_ns, service, kind, outcome;
DROP TABLE red_by_bucket;

CREATE TABLE edges_by_bucket AS FROM edges;
DROP TABLE edges;
CREATE TABLE edges (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    minute_ns BIGINT NOT NULL,
    caller VARCHAR NOT NULL,
    caller_type VARCHAR NOT NULL,
    callee VARCHAR NOT NULL,
    callee_type VARCHAR NOT NULL,
    link BOOLEAN NOT NULL,
    outcome UTINYINT NOT NULL,
    requests BIGINT NOT NULL,
    duration_ns HUGEINT NOT NULL,
    buckets SMALLINT[] NOT NULL,
    counts INTEGER[] NOT NULL
);
INSERT INTO edges
WITH told AS (
    SELECT *, [requests - errors - throttles - faults, errors, throttles, faults] AS by_outcome
    FROM edges_by_bucket
),
cells AS (
    SELECT
        seq, tenant, minute_ns, caller, caller_type, callee, callee_type, link, bucket, duration_ns,
        coalesce(list_position(list_transform(by_outcome, lambda each: each <> 0), true), 1) AS first,
        unnest([1, 2, 3, 4]) AS place, unnest(by_outcome) AS requests
    FROM told
)
SELECT
    seq, tenant, minute_ns, caller, caller_type, callee, callee_type, link, place - 1 AS outcome, sum(requests),
    sum(CASE WHEN place = first THEN duration_ns ELSE 0 END),
    coalesce(list(bucket ORDER BY bucket) FILTER (requests <> 0), []),
    coalesce(list(requests ORDER BY bucket) FILTER (requests <> 0), [])
FROM cells
WHERE requests <> 0 OR place = first
GROUP BY ALL
ORDER BY seq, minute_ns, caller, callee;
DROP TABLE edges_by_bucket;
