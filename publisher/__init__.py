"""Publishes confirmed or proven statements at Europeana, once each, and withdraws them.

A statement is a concept of a record; at Europeana it is an annotation.
"""
