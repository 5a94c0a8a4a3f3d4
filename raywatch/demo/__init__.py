"""The demo shop: real programs with real telemetry, to look at Raywatch with."""
