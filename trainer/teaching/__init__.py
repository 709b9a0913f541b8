"""Teaching: what curators said of a data provider's pictures, and heads that learn from it."""
