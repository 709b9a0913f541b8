"""What operators see of jobs, and do to one of them or to all that match."""
