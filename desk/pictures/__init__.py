"""Pictures for pages: the desk fetches them as workers do, checks them, and caches small copies."""
