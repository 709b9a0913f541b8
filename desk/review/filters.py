"""Filters: which suggestions a page shows. They are stored only in the page's address."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from common.errors import UsageError, blaming
from common.store.model_names import ModelName
from common.store.tables import Outcome

Choice = TypeVar("Choice", bound=StrEnum)

MOST_TEXT = 1_000  # characters in a filter
NAMES = ("job", "model", "provider", "concept", "outcome", "judged", "lowest", "highest", "after")


class JudgedState(StrEnum):
    ANY = "any"
    NO = "no"
    YES = "yes"
    DISPUTED = "disputed"


@dataclass(frozen=True, kw_only=True)
class ViewFilters:
    """The filters of a page. Empty texts and None do not filter.

    `concept` is the concept's URI. `lowest` and `highest` are confidences from 0 to 1, in addresses
    in percent. `after` is the place where the next page begins.
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
        """Read filters from the parameters of an address.

        Raises:
            UsageError: a filter is malformed. The message names it.
        """
        given = {name: asked.get(name, "").strip() for name in NAMES}
        for name, value in given.items():
            if len(value) > MOST_TEXT or "\0" in value:
                raise UsageError(f"The filter {name} is too long or not a text.", field=name)
        with blaming("model"):
            model = ModelName.parse(given["model"]) if given["model"] else None
        return cls(
            job=job_number(given["job"]) if given["job"] else None,
            model=model,
            provider=given["provider"],
            concept=given["concept"],
            outcome=one_of(Outcome, given["outcome"] or Outcome.ENRICHED, "outcome"),
            judged=one_of(JudgedState, given["judged"] or JudgedState.ANY, "judged"),
            lowest=_share(given["lowest"], "lowest"),
            highest=_share(given["highest"], "highest"),
            after=given["after"],
        )

    def address(self, **changed: object) -> str:
        """The filters, with changes, as the query of an address. They begin with the first page,
        because a place of other filters does not fit."""
        other = replace(self, **({"after": ""} | changed))  # type: ignore[arg-type]
        return urlencode(other.parts())

    def parts(self) -> dict[str, str]:
        written = {name: _written(name, getattr(self, name)) for name in NAMES}
        return {name: text for name, text in written.items() if text}


def job_number(text: str) -> UUID:
    """Read the ID of a job.

    Raises:
        UsageError: the text is not an ID.
    """
    try:
        return UUID(text)
    except ValueError as error:
        words = f"{text[:60]!r} is not the ID of a job. The page Jobs lists the jobs."
        raise UsageError(words, field="job") from error


def one_of(choices: type[Choice], text: str, name: str) -> Choice:
    """Raises UsageError if the text of the field `name` is not one of the choices."""
    try:
        return choices(text)
    except ValueError as error:
        listed = ", ".join(choices)
        words = f"{name} is {text[:40]!r}; it must be one of {listed}."
        raise UsageError(words, field=name) from error


def _share(text: str, name: str) -> float | None:
    with blaming(name):
        found = number(text, what=f"The {name} confidence", least=0, most=100)
    return None if found is None else found / 100


def _written(name: str, value: object) -> str:
    if value in (None, "", JudgedState.ANY) or (name, value) == ("outcome", Outcome.ENRICHED):
        return ""
    return f"{100 * value:g}" if isinstance(value, float) else str(value)


def number(text: str, *, what: str, least: float = 0.0, most: float = 1e9) -> float | None:
    """Read a number with a decimal point or a decimal comma; None if the field is empty.

    Raises:
        UsageError: the text is not a number, or the number is out of range.
    """
    if not text:
        return None
    try:
        found = float(text.replace(",", "."))
    except ValueError as error:
        raise UsageError(f"{what} is {text[:40]!r}, which is not a number.") from error
    if not least <= found <= most:
        raise UsageError(f"{what} is {found:g}; it must be from {least:g} to {most:g}.")
    return found
