"""The next step: what a command that is done names for its user."""

from common.process.terminal.console import SafeConsole


def next_step(command: str) -> None:
    """Name a command on standard error, so that standard output stays the result."""
    SafeConsole(stderr=True, highlight=False).print(f"Next: {command}", soft_wrap=True)
