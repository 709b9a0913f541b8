"""A few lines of Python as a program, for `tests.forking`."""

import sys


def main() -> None:
    """As `python -c` does, run the first argument; the others are its own."""
    _, source, *arguments = sys.argv
    sys.argv = ["-c", *arguments]
    exec(source, {"__name__": "__main__"})
