"""Audits: a random sample of frozen enrichments, judged by people, and what that proves."""
