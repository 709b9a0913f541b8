"""The person who runs a command, for what is saved about it."""

from getpass import getuser

LONGEST = 200  # characters


def user_name() -> str | None:
    """The name of the operating system's account; None where it has none, as in a container."""
    try:
        return getuser()[:LONGEST] or None
    except (OSError, KeyError):
        return None
