"""A verdict as a file gives it, and what happened to each part of the file."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import NAMESPACE_URL, UUID, uuid5

from common.store.tables import VerdictKind


class ItemFate(StrEnum):
    """What happened to a verdict of a file, or why an item has none."""

    IMPORTED = "imported"
    ALREADY_THERE = "already there"
    CONTRADICTED = "contradicted later"
    CANCELLED = "cancelled"
    NOT_JUDGED = "not judged"
    UNKNOWN_RECORD = "unknown record"
    UNKNOWN_CONCEPT = "unknown concept"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignVerdict:
    """What a reviewer says in a file; `item` counts its lines, tasks or annotations from 1.

    Record and concept are as the file writes them. `model` is the title of the model that suggested
    the concept. `reviewer` is the name for an account.
    """

    item: int
    id: UUID
    reviewer: str
    record: str
    concept: str
    said: VerdictKind
    instead: str | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemFinding:
    """What happened to an item, or to a verdict of it; `reviewer` and below are "" if unknown."""

    item: int
    fate: ItemFate
    detail: str = ""
    reviewer: str = ""
    record: str = ""
    concept: str = ""


def verdict_id(*parts: str) -> UUID:
    """The same statement has the same ID, so that a second import of a file adds no verdict."""
    return uuid5(NAMESPACE_URL, "\n".join(parts).encode(errors="replace").decode())
