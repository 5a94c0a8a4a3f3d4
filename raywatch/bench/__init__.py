"""Measures a Raywatch server with real senders in another process; `raywatch bench`."""
