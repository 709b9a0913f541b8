"""What a check finds: what was looked at, how it is, and what to do."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from common.errors import EnrichmentError


class Health(StrEnum):
    """How something is: a warning does not stop the programs, a problem does."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was `found` of a subject; `advice` says what to do, and is empty if it is well."""

    subject: str
    what: str
    verdict: Health
    found: str
    advice: str = ""


Findings: TypeAlias = Iterator[Finding]


def ok(subject: str, what: str, found: str) -> Finding:
    return Finding(subject=subject, what=what, verdict=Health.OK, found=found)


def warning(subject: str, what: str, found: str, advice: str) -> Finding:
    return Finding(subject=subject, what=what, verdict=Health.WARNING, found=found, advice=advice)


def problem(subject: str, what: str, found: str, advice: str) -> Finding:
    return Finding(subject=subject, what=what, verdict=Health.PROBLEM, found=found, advice=advice)


def not_checked(subject: str, what: str, settings: Collection[str]) -> Finding:
    """It could not be looked at, since settings are wrong, of which the first findings tell."""
    named = ", ".join(name.upper() for name in settings)
    return problem(subject, what, f"not checked: {named} is wrong", f"First correct {named}.")


def tried(subject: str, what: str, attempt: Callable[[], str], advice: str) -> Finding:
    """What an attempt returns, or the error that ends it, in its words."""
    try:
        return ok(subject, what, attempt())
    except EnrichmentError as error:
        return problem(subject, what, str(error), advice)
