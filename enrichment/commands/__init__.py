"""The commands of `enrichment`, one module each: arguments only."""
