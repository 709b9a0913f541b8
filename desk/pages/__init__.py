"""The pages: each module has the views of one subject, and its list of routes."""
