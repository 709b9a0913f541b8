"""Files of verdicts: which tool wrote one, and what each of its items says."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from common.errors import UsageError
from common.files import read_regular
from desk.review.exchange.crowdheritage import of_annotation
from desk.review.exchange.foreign_verdict import ForeignVerdict, ItemFate, ItemFinding
from desk.review.exchange.label_studio import of_task
from desk.review.exchange.own_lines import of_line

MOST_BYTES = 256 << 20
_Reader = Callable[[int, bytes | msgspec.Raw], Iterator[ForeignVerdict | ItemFinding]]
_DETAIL = 200  # characters


class _Campaign(msgspec.Struct):
    graph: list[msgspec.Raw] = msgspec.field(name="@graph")


def read_verdicts(path: Path) -> list[ForeignVerdict | ItemFinding]:
    """What each item of a file says. An item that is unreadable is a finding, like all others.

    Raises:
        UsageError: the file cannot be read, is too large, or is of no known tool.
    """
    try:
        content = read_regular(path, at_most=MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        items, reader = _items(content)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise UsageError(
            f"{path} is not a file of verdicts: {why}. Give an export of Label Studio (JSON) or "
            "CrowdHeritage (JSON-LD), or a file from `desk verdicts export`."
        ) from error
    return [each for number, item in enumerate(items, 1) for each in _read(reader, number, item)]


def _items(content: bytes) -> tuple[Iterable[bytes | msgspec.Raw], _Reader]:
    text = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return msgspec.json.decode(text, type=list[msgspec.Raw]), of_task
    try:
        return msgspec.json.decode(text, type=_Campaign).graph, of_annotation
    except msgspec.DecodeError:
        if b'"said"' not in text:
            raise
    return text.splitlines(), of_line


def _read(
    reader: _Reader, number: int, item: bytes | msgspec.Raw
) -> list[ForeignVerdict | ItemFinding]:
    try:
        return list(reader(number, item))
    except (ValueError, RecursionError) as error:
        detail = str(error)[:_DETAIL]
        return [ItemFinding(item=number, fate=ItemFate.UNREADABLE, detail=detail)]
