-- Tables of a metrics period file, version 3.

CREATE TABLE numbers (
    seq UBIGINT NOT NULL,
    series_id UBIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    start_ns BIGINT NOT NULL,
    flags UINTEGER NOT NULL,                   -- bit 0: no recorded value
    value DOUBLE NOT NULL,
    value_int BIGINT NOT NULL,                 -- exact when is_int
    is_int BOOLEAN NOT NULL
);

CREATE TABLE distributions (
    seq UBIGINT NOT NULL,
    series_id UBIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    start_ns BIGINT NOT NULL,
    flags UINTEGER NOT NULL,
    count UBIGINT NOT NULL,
    sum DOUBLE NOT NULL,
    has_sum BOOLEAN NOT NULL,
    min DOUBLE NOT NULL,
    max DOUBLE NOT NULL,
    has_min_max BOOLEAN NOT NULL,
    counts UBIGINT[] NOT NULL,                 -- histogram: a count per bucket; exponential: the positive buckets
    scale INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    zero_count UBIGINT NOT NULL,
    zero_threshold DOUBLE NOT NULL,
    negative_offset INTEGER NOT NULL,
    negative_counts UBIGINT[] NOT NULL,
    quantiles DOUBLE[] NOT NULL,               -- summary
    quantile_values DOUBLE[] NOT NULL
);

CREATE TABLE exemplars (
    seq UBIGINT NOT NULL,
    series_id UBIGINT NOT NULL,
    point_ns BIGINT NOT NULL,
    time_ns BIGINT NOT NULL,
    trace_hi UBIGINT NOT NULL,
    trace_lo UBIGINT NOT NULL,
    span_id UBIGINT NOT NULL,
    value DOUBLE NOT NULL,
    value_int BIGINT NOT NULL,
    is_int BOOLEAN NOT NULL,
    shape UBIGINT NOT NULL,
    attrs VARCHAR NOT NULL
);

CREATE TABLE series (
    seq UBIGINT NOT NULL,
    series_id UBIGINT NOT NULL,                -- hash of every other column
    tenant UINTEGER NOT NULL,
    namespace VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    type VARCHAR NOT NULL,                     -- gauge sum histogram exponential_histogram summary
    temporality UTINYINT NOT NULL,             -- OTLP: 0 unspecified 1 delta 2 cumulative
    monotonic BOOLEAN NOT NULL,
    service VARCHAR NOT NULL,
    resource_id UBIGINT NOT NULL,
    scope_id UBIGINT NOT NULL,
    bounds DOUBLE[] NOT NULL,                  -- histogram: explicit bounds
    shape UBIGINT NOT NULL,                    -- the point's attributes: the dimensions
    attrs VARCHAR NOT NULL,
    metadata_shape UBIGINT NOT NULL,
    metadata VARCHAR NOT NULL
);

-- Roll-ups

CREATE TABLE series_seen (
    seq UBIGINT NOT NULL,
    series_id UBIGINT NOT NULL,
    first_ns BIGINT NOT NULL,
    last_ns BIGINT NOT NULL,
    points BIGINT NOT NULL
);
