"""The desk: web pages on which curators see predictions, teach models and prove their accuracy.

It reads the store and calls the same functions as the commands. It stores no data of its own.
"""
