-- What X-Ray daemons and agents report of themselves (PutTelemetryRecords), summed up since they were first seen.

CREATE TABLE xray_agents (
    tenant       INTEGER NOT NULL,
    host         TEXT NOT NULL,
    instance     TEXT NOT NULL,
    arn          TEXT NOT NULL,
    first_ns     BIGINT NOT NULL,
    last_ns      BIGINT NOT NULL,
    received     BIGINT NOT NULL,
    sent         BIGINT NOT NULL,
    spilled      BIGINT NOT NULL,
    rejected     BIGINT NOT NULL,
    errors       TEXT NOT NULL,                -- JSON: BackendConnectionErrors, summed
    PRIMARY KEY (tenant, host, instance, arn)
);
