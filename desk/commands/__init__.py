"""The commands of `desk`, one module each: arguments only."""
