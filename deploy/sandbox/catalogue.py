"""The catalogue: the records of the sandbox, and the source of their pictures.

`read_catalogue` reads a folder with `catalog.jsonl` (one Search item a line, plus `image`, the path
of its picture in the folder) and the pictures. Without a folder, `collection.draw_collection` makes
a catalogue.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from common.errors import UsageError
from common.process.wrong_values import first_wrong
from deploy.sandbox.faults import Fault

LangMap = Mapping[str, Sequence[str]]  # language, or "def" for none, to texts
EdmType = Literal["IMAGE", "TEXT", "VIDEO", "SOUND", "3D"]

FIRST_UPDATE = (
    1_672_531_200  # 2023-01-01, in seconds: items were last updated in the 2 years after it
)
UPDATE_SPAN = 2 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Item:
    """One record. Items share the objects of equal texts, so that 100,000 items need little memory.

    `host` is the provider's own host name, `picture` the place of the bytes (`Catalogue.read`).
    """

    id: str
    type: EdmType
    title: LangMap
    data_provider: str
    rights: str
    concepts: Sequence[str]
    host: str
    picture: str
    updated: int  # seconds since 1970
    shown_by: bool = True  # otherwise the picture is only in edmObject and hasView
    thumbnail: bool = True


@dataclass(frozen=True)
class Catalogue:
    """All items, a way to read their pictures, and the moved and deleted records.

    `broken` has the faults of permanently broken files, by item ID. `merged_concepts` maps old
    concept URIs to the present ones, `exact_matches` those of other vocabularies. Pictures are
    files in `folder`, if there is one.
    """

    items: Sequence[Item]
    read: Callable[[str], bytes]
    folder: Path | None = None
    moved: Mapping[str, str] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()
    broken: Mapping[str, Fault] = field(default_factory=dict)
    merged_concepts: Mapping[str, str] = field(default_factory=dict)
    exact_matches: Mapping[str, str] = field(default_factory=dict)

    def find(self, record_id: str) -> Item | None:
        """The item with this ID; None for moved and deleted records."""
        return self._by_id.get(record_id)

    @property
    def hosts(self) -> list[str]:
        """The providers' host names, sorted."""
        return sorted({item.host for item in self.items})

    @cached_property
    def _by_id(self) -> dict[str, Item]:
        return {item.id: item for item in self.items}


_Texts = Annotated[list[str], Field(min_length=1)]


class _Line(BaseModel):
    """One line of `catalog.jsonl`; other members are not served."""

    id: str = Field(pattern=r"^/[A-Za-z0-9_]+/[A-Za-z0-9_]+$")
    type: EdmType
    title: _Texts
    data_provider: _Texts = Field(alias="dataProvider")
    rights: _Texts
    shown_by: list[str] = Field(default=[], alias="edmIsShownBy")
    concepts: list[str] = Field(default=[], alias="edmConcept")
    image: str


def read_catalogue(folder: Path) -> Catalogue:
    """The catalogue in a folder.

    Raises:
        UsageError: there is no folder or no `catalog.jsonl`, or a line is not an item; the message
            names the line.
    """
    items: list[Item] = []
    for number, line in _read_lines(folder / "catalog.jsonl"):
        try:
            entry = _check_line(line, folder)
        except ValueError as error:
            raise UsageError(f"{folder / 'catalog.jsonl'}, line {number}: {error}") from error
        items.append(_item(entry))
    if not items:
        raise UsageError(f"{folder / 'catalog.jsonl'} is empty.")
    return Catalogue(items, read=lambda name: (folder / name).read_bytes(), folder=folder)


def _read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as lines:
            yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error


def _check_line(line: bytes, folder: Path) -> _Line:
    try:
        entry = _Line.model_validate_json(line)
    except ValidationError as error:
        raise ValueError(f"{first_wrong(error)}.") from error
    picture = folder / entry.image
    if not picture.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"image {entry.image!r} is outside the catalogue's folder.")
    if not picture.is_file():
        raise ValueError(f"image {entry.image!r} does not exist.")
    if entry.shown_by and not urlsplit(entry.shown_by[0]).hostname:
        raise ValueError(f"edmIsShownBy {entry.shown_by[0]!r} is not a URL.")
    return entry


def _item(entry: _Line) -> Item:
    digest = hashlib.sha256(entry.id.encode()).digest()
    host = urlsplit(entry.shown_by[0]).hostname if entry.shown_by else None
    return Item(
        id=entry.id,
        type=entry.type,
        title={"def": entry.title},
        data_provider=entry.data_provider[0],
        rights=entry.rights[0],
        concepts=entry.concepts,
        host=host or "unknown.invalid",
        picture=entry.image,
        updated=FIRST_UPDATE + int.from_bytes(digest[:8]) % UPDATE_SPAN,
        shown_by=host is not None,
    )
