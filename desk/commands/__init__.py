"""The arguments of the commands of `desk`, one module each."""
