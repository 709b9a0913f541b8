"""The pages of publishing: plans, what is published, withdrawals, and where a statement is from."""
