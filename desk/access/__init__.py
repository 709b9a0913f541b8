"""Who uses the desk: accounts, logins, sessions, and what no stranger may do."""
