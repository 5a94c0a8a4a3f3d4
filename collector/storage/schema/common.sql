-- Tables that every period file has, version 4.

CREATE TABLE resources (
    seq UBIGINT NOT NULL,
    resource_id UBIGINT NOT NULL,              -- deterministic hash of every other column
    service VARCHAR NOT NULL,                  -- service.name, 'unknown_service' when absent
    namespace VARCHAR NOT NULL,                -- service.namespace
    version VARCHAR NOT NULL,                  -- service.version
    instance VARCHAR NOT NULL,                 -- service.instance.id
    language VARCHAR NOT NULL,                 -- telemetry.sdk.language
    environment VARCHAR NOT NULL,              -- deployment.environment.name
    schema_url VARCHAR NOT NULL,
    shape UBIGINT NOT NULL,
    attrs VARCHAR NOT NULL,
    dropped_attributes UINTEGER NOT NULL
);

CREATE TABLE scopes (
    seq UBIGINT NOT NULL,
    scope_id UBIGINT NOT NULL,
    name VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    schema_url VARCHAR NOT NULL,
    shape UBIGINT NOT NULL,
    attrs VARCHAR NOT NULL,
    dropped_attributes UINTEGER NOT NULL
);

-- The keys and types of an attribute set, in order. `attrs` texts hold the values in the same order,
-- separated by U+001F: value n of a row is list_extract(string_split(attrs, chr(31)), n).
-- Inside a value U+001F is written U+001B '1' and U+001B is written U+001B '0'. Shape 0: no attributes.
CREATE TABLE shapes (
    seq UBIGINT NOT NULL,
    shape UBIGINT NOT NULL,
    keys VARCHAR[] NOT NULL,
    types VARCHAR NOT NULL                     -- a letter a key: s string i int d double b bool y bytes (base64)
);                                             -- j array or key-value list (JSON text) n empty

-- Roll-ups

CREATE TABLE attribute_keys (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    key VARCHAR NOT NULL,
    type VARCHAR NOT NULL,                     -- type letter
    place VARCHAR NOT NULL,                    -- 'item' or 'resource'
    first_ns BIGINT NOT NULL,
    last_ns BIGINT NOT NULL,
    items BIGINT NOT NULL
);

CREATE TABLE resources_seen (
    seq UBIGINT NOT NULL,
    tenant UINTEGER NOT NULL,
    resource_id UBIGINT NOT NULL,
    first_ns BIGINT NOT NULL,
    last_ns BIGINT NOT NULL,
    items BIGINT NOT NULL
);

CREATE TABLE meta (
    key VARCHAR NOT NULL,                      -- schema_version, signal, created_ns, first_seq, ...
    value VARCHAR NOT NULL
);
