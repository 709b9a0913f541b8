"""What a publisher does: check a plan, send it, withdraw, and read what others did."""
