"""The programs of the demo shop; each runs as `python -m raywatch.demo.services NAME`."""
