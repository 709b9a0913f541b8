"""Teaching: verdicts of curators on a data provider's pictures, and heads that learn from it."""
