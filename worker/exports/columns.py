"""What the members of an exported type are: their names, kinds and descriptions."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints


@dataclass(frozen=True, kw_only=True)
class DescribedColumn:
    """`kind` is a class such as `str`; `what` is one sentence or less, in Markdown."""

    name: str
    kind: Any
    may_be_missing: bool
    what: str


def columns_of(exported: type) -> Iterator[DescribedColumn]:
    """The members of a NamedTuple or a TypedDict, all of which are `Annotated` with a text."""
    optional: frozenset[str] = getattr(exported, "__optional_keys__", frozenset())
    for name, hint in get_type_hints(exported, include_extras=True).items():
        described = get_args(hint)[0] if get_origin(hint) is NotRequired else hint
        kind, what = get_args(described)[:2]
        kinds = [each for each in get_args(kind) if each is not NoneType]
        may_be_missing = NoneType in get_args(kind) or name in optional
        first = kinds[0] if NoneType in get_args(kind) else kind
        yield DescribedColumn(
            name=name,
            kind=str if get_origin(first) is Literal else first,
            may_be_missing=may_be_missing,
            what=what,
        )
