"""Bytes in, rows stored, questions answered: receivers, pipeline, storage and queries."""
