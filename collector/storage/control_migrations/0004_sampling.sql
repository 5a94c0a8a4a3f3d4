-- X-Ray sampling rules and what their clients reported.

CREATE TABLE sampling_rules (
    tenant       INTEGER NOT NULL,
    name         TEXT NOT NULL,
    rule         TEXT NOT NULL,                -- JSON with the members of X-Ray's SamplingRule
    created_ns   BIGINT NOT NULL,
    modified_ns  BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- LastRuleModification: moves on create, update and delete, and never back.
CREATE TABLE sampling_marks (
    tenant       INTEGER PRIMARY KEY,
    modified_ns  BIGINT NOT NULL
);

-- Statistics per rule in windows of ten seconds.
CREATE TABLE sampling_windows (
    tenant    INTEGER NOT NULL,
    rule      TEXT NOT NULL,
    start_s   BIGINT NOT NULL,
    requests  BIGINT NOT NULL,
    sampled   BIGINT NOT NULL,
    borrowed  BIGINT NOT NULL,
    PRIMARY KEY (tenant, rule, start_s)
);
CREATE INDEX sampling_windows_start ON sampling_windows (start_s);

-- What the collector itself kept and left out of OTLP, so that figures of what was kept can say what they stand for.
CREATE TABLE sampling_kept (
    tenant       INTEGER NOT NULL,
    rule         TEXT NOT NULL,
    service      TEXT NOT NULL,
    minute_s     BIGINT NOT NULL,              -- start of the minute in which the spans came in
    kept_traces  BIGINT NOT NULL,              -- traces count once, where they were decided
    lost_traces  BIGINT NOT NULL,
    kept_spans   BIGINT NOT NULL,
    lost_spans   BIGINT NOT NULL,
    PRIMARY KEY (tenant, rule, service, minute_s)
);
CREATE INDEX sampling_kept_minute ON sampling_kept (minute_s);
