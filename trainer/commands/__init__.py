"""The commands of `trainer`, one module each: arguments only."""
