"""Teach: what follows when a model has learned from verdicts."""
