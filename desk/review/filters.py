"""Filters: which suggestions a page shows. They live in its address, and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from common.errors import UsageError, blaming
from common.store.model_names import ModelName

Choice = TypeVar("Choice", bound=StrEnum)

MOST_TEXT = 1_000  # characters of a filter
NAMES = ("job", "model", "provider", "concept", "outcome", "judged", "lowest", "highest", "after")


class Outcome(StrEnum):
    """What became of a record, as a filter; all but the first need a job."""

    ENRICHED = "enriched"
    BELOW_THRESHOLD = "below_threshold"
    UNLIKE = "unlike"
    BLOCKED = "blocked"
    FAILED = "failed"


class JudgedState(StrEnum):
    """Whether anybody has judged a suggestion."""

    ANY = "any"
    NO = "no"
    YES = "yes"
    DISPUTED = "disputed"


@dataclass(frozen=True, kw_only=True)
class ViewFilters:
    """What to show; `lowest` and `highest` are confidences, `after` is the place to go on from.

    `concept` is the concept's URI. Empty texts and None ask for nothing.
    """

    job: UUID | None = None
    model: ModelName | None = None
    provider: str = ""
    concept: str = ""
    outcome: Outcome = Outcome.ENRICHED
    judged: JudgedState = JudgedState.ANY
    lowest: float | None = None
    highest: float | None = None
    after: str = ""

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> Self:
        """The filters in the parts of an address.

        Raises:
            UsageError: one is malformed; the message names it.
        """
        given = {name: asked.get(name, "").strip() for name in NAMES}
        for name, value in given.items():
            if len(value) > MOST_TEXT or "\0" in value:
                raise UsageError(f"The filter {name} is too long, or no text.", field=name)
        with blaming("model"):
            model = ModelName.parse(given["model"]) if given["model"] else None
        found = cls(
            job=job_number(given["job"]) if given["job"] else None,
            model=model,
            provider=given["provider"],
            concept=given["concept"],
            outcome=_one_of(Outcome, given["outcome"] or Outcome.ENRICHED, "outcome"),
            judged=_one_of(JudgedState, given["judged"] or JudgedState.ANY, "judged"),
            lowest=_share(given["lowest"], "lowest"),
            highest=_share(given["highest"], "highest"),
            after=given["after"],
        )
        if found.outcome is not Outcome.ENRICHED and found.job is None:
            words = "Choose a job: without one, only enriched records can be shown."
            raise UsageError(words, field="job")
        return found

    def address(self, **changed: object) -> str:
        """The same filters, some of them changed, as the part of an address after the question
        mark; nobody goes on from a place of other filters."""
        other = replace(self, **({"after": ""} | changed))  # type: ignore[arg-type]
        parts = {name: _written(name, getattr(other, name)) for name in NAMES}
        return urlencode({name: text for name, text in parts.items() if text})


def job_number(text: str) -> UUID:
    """A job's ID.

    Raises:
        UsageError: the text is none.
    """
    try:
        return UUID(text)
    except ValueError as error:
        words = f"{text[:60]!r} is no job ID. The page Jobs lists the jobs."
        raise UsageError(words, field="job") from error


def _one_of(choices: type[Choice], text: str, name: str) -> Choice:
    try:
        return choices(text)
    except ValueError as error:
        listed = ", ".join(choices)
        words = f"{name} is {text[:40]!r}; it must be one of {listed}."
        raise UsageError(words, field=name) from error


def _share(text: str, name: str) -> float | None:
    if not text:
        return None
    with blaming(name):
        try:
            found = float(text)
        except ValueError as error:
            words = f"The {name} confidence is {text[:40]!r}, which is no number."
            raise UsageError(words) from error
        if not 0 <= found <= 1:
            raise UsageError(f"The {name} confidence is {found:g}; it must be from 0 to 1.")
    return found


def _written(name: str, value: object) -> str:
    if value in (None, "", JudgedState.ANY) or (name, value) == ("outcome", Outcome.ENRICHED):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
