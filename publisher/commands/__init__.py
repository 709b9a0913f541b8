"""The arguments and the output of each command."""
