"""The pages. Each module has the views of one subject and the list of their routes."""
