-- Who may send and look: tenants, API keys, sessions of the pages, one-time login tokens.
-- Secrets are kept only as SHA-256 in hex; times are nanoseconds since the epoch.

CREATE TABLE tenants (
    id       INTEGER PRIMARY KEY,
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    UNIQUE (account, region)
);

INSERT INTO tenants (id, account, region) VALUES (0, '123456789012', 'us-east-1');

CREATE TABLE api_keys (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    hash          TEXT NOT NULL UNIQUE,
    tenant        INTEGER NOT NULL REFERENCES tenants (id),
    created_ns    BIGINT NOT NULL,
    last_used_ns  BIGINT,
    revoked_ns    BIGINT
);

CREATE TABLE sessions (
    hash          TEXT PRIMARY KEY,
    created_ns    BIGINT NOT NULL,
    expires_ns    BIGINT NOT NULL
);

CREATE TABLE login_tokens (
    hash          TEXT PRIMARY KEY,
    created_ns    BIGINT NOT NULL,
    expires_ns    BIGINT NOT NULL
);

CREATE TABLE secrets (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
);
