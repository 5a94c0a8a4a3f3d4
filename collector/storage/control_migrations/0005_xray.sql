-- Groups, insights, tags, policies and the small settings of the X-Ray API.

CREATE TABLE trace_groups (
    tenant         INTEGER NOT NULL,
    name           TEXT NOT NULL,
    id             TEXT NOT NULL,              -- last part of the ARN
    filter         TEXT NOT NULL,
    insights       BOOLEAN NOT NULL,
    notifications  BOOLEAN NOT NULL,
    created_ns     BIGINT NOT NULL,
    modified_ns    BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE insights (
    id           TEXT PRIMARY KEY,             -- UUID
    tenant       INTEGER NOT NULL,
    group_name   TEXT NOT NULL,
    state        TEXT NOT NULL,                -- ACTIVE or CLOSED
    service      TEXT NOT NULL,                -- JSON: ServiceId of the root cause
    start_ns     BIGINT NOT NULL,
    end_ns       BIGINT,
    updated_ns   BIGINT NOT NULL,
    detail       TEXT NOT NULL                 -- JSON: summary, impact figures, anomalous services
);
CREATE INDEX insights_start ON insights (tenant, start_ns);

CREATE TABLE insight_events (
    insight   TEXT NOT NULL REFERENCES insights (id) ON DELETE CASCADE,
    time_ns   BIGINT NOT NULL,
    detail    TEXT NOT NULL,                   -- JSON, as of that time
    PRIMARY KEY (insight, time_ns)
);

-- What a group's services and calls did in each window of five minutes: what insights are found in.
CREATE TABLE insight_windows (
    tenant      INTEGER NOT NULL,
    group_name  TEXT NOT NULL,
    start_ns    BIGINT NOT NULL,
    end_ns      BIGINT NOT NULL,
    detail      TEXT NOT NULL,                 -- JSON: counts by node and call, and which were out of the band
    PRIMARY KEY (tenant, group_name, start_ns)
);

CREATE TABLE tags (
    tenant  INTEGER NOT NULL,
    arn     TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (tenant, arn, key)
);

CREATE TABLE resource_policies (
    tenant      INTEGER NOT NULL,
    service     TEXT NOT NULL,
    name        TEXT NOT NULL,
    document    TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    updated_ns  BIGINT NOT NULL,
    PRIMARY KEY (tenant, service, name)
);

-- What an API stores and reports as one value: encryption, destination, indexing rules.
CREATE TABLE aws_settings (
    tenant      INTEGER NOT NULL,
    name        TEXT NOT NULL,
    value       TEXT NOT NULL,                 -- JSON
    changed_ns  BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);
