"""What a console of a given width shows."""

import io

from common.process.terminal.console import SafeConsole


def printed(*shown: object, width: int = 120) -> str:
    """The text of tables and lines."""
    file = io.StringIO()
    SafeConsole(file=file, width=width).print(*shown)
    return file.getvalue()
