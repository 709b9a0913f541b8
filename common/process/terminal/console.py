"""The console of every command: untrusted text cannot move the cursor, colour or clear the screen.

Rich passes escapes in a text on to the terminal, and reads `[...]` in it as its own markup.
"""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from common.process.foreign_text import visible


class SafeConsole(Console):
    def __init__(self, *, stderr: bool = False, highlight: bool = True, **options: Any) -> None:
        super().__init__(
            stderr=stderr, highlight=highlight, **{"markup": False, "emoji": False, **options}
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """As Rich; here, so that a table measures what it will show."""
        return super().render_str(visible(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As Rich, but only Rich itself controls the terminal."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(visible(segment.text), segment.style)
