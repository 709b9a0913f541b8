"""Europeana's Annotation API and Auth Service, as a publisher needs them."""
