"""Enrichments out of the store, as files: streamed, and the same bytes for the same enrichments."""
