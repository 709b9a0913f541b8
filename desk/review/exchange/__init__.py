"""Verdicts from other tools and for them: read, matched with the store, saved and written."""
