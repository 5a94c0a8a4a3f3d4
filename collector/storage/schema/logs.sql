-- Tables of a logs period file, version 3.

CREATE TABLE logs (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    time_ns BIGINT NOT NULL,                   -- observed time when the sender gave none
    observed_ns BIGINT NOT NULL,
    trace_hi UBIGINT NOT NULL,
    trace_lo UBIGINT NOT NULL,
    span_id UBIGINT NOT NULL,
    flags UINTEGER NOT NULL,
    severity UTINYINT NOT NULL,                -- OTLP severity number, 0: not given
    severity_text VARCHAR NOT NULL,
    service VARCHAR NOT NULL,
    log_group VARCHAR NOT NULL,
    log_stream VARCHAR NOT NULL,
    event_name VARCHAR NOT NULL,
    body VARCHAR NOT NULL USING COMPRESSION zstd,
    body_type UTINYINT NOT NULL,               -- ASCII code of the type letter, as in shapes.types
    resource_id UBIGINT NOT NULL,
    scope_id UBIGINT NOT NULL,
    shape UBIGINT NOT NULL,
    attrs VARCHAR NOT NULL USING COMPRESSION zstd,
    dropped_attributes UINTEGER NOT NULL
);

-- Roll-ups

CREATE TABLE log_streams (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    log_group VARCHAR NOT NULL,
    log_stream VARCHAR NOT NULL,
    first_ns BIGINT NOT NULL,
    last_ns BIGINT NOT NULL,
    ingested_ns BIGINT NOT NULL,               -- latest observed time
    records BIGINT NOT NULL,
    bytes BIGINT NOT NULL                      -- body bytes + 26 per record, as CloudWatch Logs counts
);

CREATE TABLE log_counts (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    minute_ns BIGINT NOT NULL,
    log_group VARCHAR NOT NULL,
    service VARCHAR NOT NULL,
    severity UTINYINT NOT NULL,                -- first number of its range: 0 1 5 9 13 17 21
    records BIGINT NOT NULL
);
