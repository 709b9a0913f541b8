"""The desk: the web pages on which curators see, teach and prove."""
