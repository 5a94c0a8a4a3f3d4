"""X-Ray sampling: rules and how they match, reservoirs, boosts, statistics; no sockets, no store."""
