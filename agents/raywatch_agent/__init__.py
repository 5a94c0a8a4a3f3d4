"""Measures a host and follows its log files; speaks only OTLP."""
