"""Processors stand between a decoder and the commit: decoded requests in, decoded requests out."""
