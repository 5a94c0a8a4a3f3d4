"""The store: telemetry in DuckDB period files, control data in SQLite."""
