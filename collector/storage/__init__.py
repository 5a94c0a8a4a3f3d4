"""Telemetry in DuckDB period files, control data in SQLite; only this package knows the engines."""

from collector.storage.store import Capabilities, FileInfo, Health, Retention, Store, StoreOptions, open_store

__all__ = ["Capabilities", "FileInfo", "Health", "Retention", "Store", "StoreOptions", "open_store"]
