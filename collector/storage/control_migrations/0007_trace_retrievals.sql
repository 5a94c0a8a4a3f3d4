-- Retrievals of traces that StartTraceRetrieval began, for as long as their tokens live.

CREATE TABLE trace_retrievals (
    token       TEXT PRIMARY KEY,
    tenant      INTEGER NOT NULL,
    traces      TEXT NOT NULL,                 -- ids of 32 hex digits with blanks between them
    start_ns    BIGINT NOT NULL,               -- both bounds inclusive
    end_ns      BIGINT NOT NULL,
    cancelled   BOOLEAN NOT NULL,
    created_ns  BIGINT NOT NULL
);
