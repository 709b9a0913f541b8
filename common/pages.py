"""What the HTML pages for curators share: their template engine, pictures and links to records.

A page is one file that needs nothing else. The template engine escapes all texts from outside
(labels, IDs, reasons) and writes their control characters out, and each template's own policy
forbids scripts and every request.
"""

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import UsageError
from common.process.foreign_text import visible

if TYPE_CHECKING:
    from jinja2 import Environment

_RECORD_PAGE = "https://www.europeana.eu/item"


def template_engine(folder: Path) -> "Environment":
    """The engine for the templates in a folder; it has the filter `number`, as in 1,234.

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
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    return environment


def _visible(value: object) -> object:
    """Markup is what the template itself made of values."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return value


def data_uri(content: bytes, media_type: str) -> str:
    """A URI that holds the whole content of a file."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def record_page(record_id: str) -> str:
    """The web page of a record at Europeana."""
    return _RECORD_PAGE + record_id
