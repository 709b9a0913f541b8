"""The desk: web pages on which curators see what models say, teach them, and prove them right.

It reads the store and calls the same functions as the commands; it holds no truth of its own.
"""
