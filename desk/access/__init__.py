"""Accounts, logins, sessions, and protection against other sites."""
