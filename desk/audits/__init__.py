"""Audits: people judge a random sample of frozen enrichments, which proves a minimum precision."""
