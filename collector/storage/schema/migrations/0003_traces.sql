-- Schema 3: X-Ray documents, and spans that were sent before their end.
ALTER TABLE spans ADD COLUMN in_progress BOOLEAN DEFAULT false;
ALTER TABLE spans ALTER COLUMN in_progress SET NOT NULL;
ALTER TABLE spans ALTER COLUMN in_progress DROP DEFAULT;
CREATE TABLE segments (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    trace_hi UBIGINT NOT NULL,
    trace_lo UBIGINT NOT NULL,
    span_id UBIGINT NOT NULL,
    parent_id UBIGINT NOT NULL,
    start_ns BIGINT NOT NULL,
    in_progress BOOLEAN NOT NULL,
    subsegment BOOLEAN NOT NULL,
    document VARCHAR NOT NULL USING COMPRESSION zstd
);
