"""What may be published at Europeana: grounds, plans, withdrawals, and the life of a statement.

A statement is a concept of a record. `publisher` sends and withdraws what is decided here.
"""
