"""Exports of enrichments to files: streamed; the same enrichments give the same bytes."""
