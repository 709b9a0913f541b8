"""Teach: the renewal of suggestions after a refit, and the progress of teaching."""
