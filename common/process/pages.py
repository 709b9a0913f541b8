"""What the HTML pages for curators share: their template engine, pictures and links to records.

A page is one file that needs nothing else. The template engine escapes all texts from outside
(labels, IDs, reasons) and writes their control characters out, and each template's own policy
forbids scripts and every request.
"""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import UsageError
from common.process.foreign_text import CONTROL, visible

if TYPE_CHECKING:
    from jinja2 import Environment

_RECORD_PAGE = "https://www.europeana.eu/item"


def template_engine(folder: Path) -> "Environment":
    """The engine for the templates in a folder.

    It has the filters `number`, as in 1,234, and `typed`, for what a form gives back.

    Raises:
        UsageError: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # an extra
    except ImportError as error:
        raise UsageError("The page needs Jinja2: pip install '.[explain]'.") from error
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": "{:,}".format, "typed": Typed}
    return environment


@dataclass(frozen=True)
class Typed:
    """What was typed, for the field of a form that gives it back character by character."""

    text: str

    def __html__(self) -> str:
        from markupsafe import escape  # comes with Jinja2

        return CONTROL.sub(_reference, escape(self.text))


def _reference(found: re.Match[str]) -> str:
    """HTML has references to all characters but C1."""
    code = ord(found[0])
    return found[0] if 0x80 <= code < 0xA0 else f"&#{code};"


def _shown(value: object) -> object:
    """A value as a page shows it. Markup may have been made of texts by a filter."""
    if isinstance(value, int | float | Typed):
        return value
    if hasattr(value, "__html__"):
        from markupsafe import Markup

        return Markup(visible(value.__html__()))
    return visible(str(value))


def data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def record_page(record_id: str) -> str:
    return _RECORD_PAGE + record_id
