"""The composed service: HTTP API, keys, OpenAPI."""
