"""What `enrichment doctor` looks at, in the order in which things must work."""
