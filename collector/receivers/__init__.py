"""Receivers: a protocol's bytes become batches of columns, or a clear refusal."""
