-- Who may speak the AWS APIs, and what was done through them.

-- SigV4 is computed from the secret, so it has to be kept as it is; the file is readable by its owner only.
CREATE TABLE access_keys (
    id            TEXT PRIMARY KEY,            -- AKIA…
    secret        TEXT NOT NULL,
    name          TEXT NOT NULL,
    account       TEXT NOT NULL,
    access        TEXT NOT NULL,               -- 'all', 'read' or 'write'
    services      TEXT NOT NULL,               -- names separated by spaces, '' for all
    created_ns    BIGINT NOT NULL,
    last_used_ns  BIGINT,
    revoked_ns    BIGINT
);

-- Every call that changes something, and every one that was refused.
CREATE TABLE audit (
    id          INTEGER PRIMARY KEY,
    time_ns     BIGINT NOT NULL,
    tenant      INTEGER NOT NULL,
    service     TEXT NOT NULL,
    operation   TEXT NOT NULL,
    who         TEXT NOT NULL,                 -- access key id, '' for anonymous
    source      TEXT NOT NULL,                 -- address and program
    request_id  TEXT NOT NULL,
    request     TEXT NOT NULL,                 -- its members as JSON, cut to a bounded length
    error       TEXT NOT NULL                  -- '' when it succeeded
);
CREATE INDEX audit_time ON audit (time_ns);
