"""The commands of `worker`, one module each: arguments only."""
