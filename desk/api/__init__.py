"""The HTTP API, below /v1. Each route is declared once; the OpenAPI document is made of that."""
