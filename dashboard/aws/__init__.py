"""The front for programs that speak AWS: one listener for every service, by botocore's own service models."""
