"""From a view's values to HTML: the templates, their filters and the values of all pages."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, Response

from common.europeana.rights import rights_words
from common.process.pages import record_page, template_engine
from common.process.terminal.counting import counted
from common.store.tables import Role
from common.store.teaching.certificates import in_percent
from desk.web.door import is_built_in

if TYPE_CHECKING:
    from jinja2 import Environment

    from desk.web.request import DeskRequest

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
# The navigation of each page: the beginning of the addresses, and the name.
PLACES = (
    ("/see", "See"),
    ("/judge", "Judge"),
    ("/teach", "Teach"),
    ("/prove", "Prove"),
    ("/publish", "Publish"),
    ("/decide", "Decide"),
    ("/jobs", "Jobs"),
    ("/models", "Models"),
    ("/data", "Data"),
)


@cache
def _templates() -> "Environment":
    engine = template_engine(HERE / "templates")
    filters: dict[str, Callable[..., object]] = {
        "percent": lambda share: unbroken(f"{100 * share:.1f} %"),
        "bound": lambda share: unbroken(in_percent(share)),
        "unbroken": unbroken,
        "day": lambda time: f"{time:%Y-%m-%d}",
        "moment": lambda time: f"{time:%Y-%m-%d %H:%M}",
        "ago": ago,
        "length_of_time": length_of_time,
        "record_page": record_page,
        "rights": rights_words,
        "counted": counted,
    }
    engine.filters.update(filters)
    return engine


@cache
def asset_version() -> str:
    """A word that changes with the assets. It is in their addresses, so browsers may cache them."""
    digest = sha256()
    for path in sorted(ASSETS.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def plain_page(template: str, values: dict[str, Any]) -> str:
    """A page for a person who is not logged in."""
    known = {"version": asset_version()}
    return _page(template, known | values)


def render(
    asked: "DeskRequest", template: str, values: dict[str, Any], *, status: int = 200
) -> Response:
    known = {
        "user": asked.user,
        "can_review": asked.may(Role.REVIEWER),
        "can_operate": asked.may(Role.OPERATOR),
        "places": PLACES,
        "here": asked.request.url.path,
        "told": asked.told,
        "filled": asked.filled,
        "mistake": asked.mistake,
        "version": asset_version(),
        "has_accounts": not is_built_in(asked.user),
    }
    return HTMLResponse(_page(template, known | values), status_code=status)


def _page(template: str, values: dict[str, Any]) -> str:
    return _templates().get_template(f"{template}.html.jinja").render(values)


def unbroken(text: object) -> str:
    """The text with no-break spaces before %, so that no line ends between a number and its %."""
    return str(text).replace(" %", "\N{NO-BREAK SPACE}%")


def length_of_time(seconds: float) -> str:
    """As `2 h 5 min`: the two largest units."""
    whole = round(seconds)
    for size, word, part, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min")):
        if whole >= size:
            return f"{whole // size} {word} {whole % size // part} {smaller}"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def ago(time: datetime) -> str:
    seconds = max(0, round((datetime.now(UTC) - time).total_seconds()))
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {word}{'s' * (count > 1)} ago"
    return "just now"
