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
