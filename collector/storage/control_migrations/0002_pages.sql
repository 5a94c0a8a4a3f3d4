-- What the pages remember: colours of names, settings changed by hand, saved views.

-- slot: 0–11 the palette's colour, plus 12 for each dozen that is already full.
CREATE TABLE colors (
    tenant   INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    slot     INTEGER NOT NULL,
    seen_ns  BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, name),
    UNIQUE (tenant, kind, slot)
);

CREATE TABLE settings (
    name        TEXT PRIMARY KEY,
    value       TEXT NOT NULL,
    changed_ns  BIGINT NOT NULL
);

CREATE TABLE views (
    id          TEXT PRIMARY KEY,
    tenant      INTEGER NOT NULL,
    page        TEXT NOT NULL,
    name        TEXT NOT NULL,
    query       TEXT NOT NULL,
    created_ns  BIGINT NOT NULL,
    UNIQUE (tenant, page, name)
);
