"""X-Ray sampling: rules and how they match, the reservoir's division, boosts, statistics; no sockets, no store."""
