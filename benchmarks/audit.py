"""Audits: whether certificates hold as often as they promise, and how long a draw takes.

    python -m benchmarks.audit [--families 100000] [--enrichments 1000000]

Certificates. Enrichments with a known precision are audited many times, with the desk's own bounds.
A setting is a true precision, a number of enrichments from 20 to 5,000, a sample and a share of
pictures that cannot be loaded, which count as wrong. A certificate errs if it promises more than
the truth:

- the k-th audit may err in at most 0.05 / 2^k of families, plus three standard errors: `excess` is
  the largest error above that;
- all audits of a family together may err in at most 5 %, with any strategy; `mistaken` is the worst
  share. once: one audit, which is closed. until_liked: up to eight audits; all are abandoned until
  one proves the truth minus 0.05 or more, and this is closed. cheat: up to eight audits, abandoned
  until one errs. A real cheat could not do more, since the truth is unknown.

`uncorrected` is the worst share if each audit used the whole 5 %. It shows why attempts are
counted.

Draws. A local Postgres has a million enrichments by one model, of many museums. The bar is for a
draw from the rows of one museum; a draw from all rows is measured too. Medians of five.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from sqlalchemy import Engine

from benchmarks.parts.desk_service import PROVIDERS, fill_store
from benchmarks.parts.report import at_most, finish
from benchmarks.parts.services import store_and_broker
from common.store.teaching.certificates import AUDIT_ERROR
from desk.audits.bounds import error_of, lower_bound
from desk.audits.draw import draw
from desk.audits.plan import plan
from desk.audits.subject import AuditSubject

PRECISIONS = (0.5, 0.8, 0.9, 0.95, 0.99)
POPULATIONS = (20, 100, 1_000, 5_000)
SAMPLES = (20, 80, 500)
UNLOADED = (0.0, 0.1)  # of the pictures
ATTEMPTS = 8
LIKED = 0.05  # below the truth
MOST_MISTAKEN = 0.05
DRAWN, DRAWS = 80, 5


@dataclass(frozen=True)
class Family:
    """Audits of enrichments with precision `truth`; the share `unloaded` of the pictures does not
    load.
    """

    truth: float
    rows: int
    sample: int
    unloaded: float

    @property
    def right(self) -> int:
        return round(self.truth * self.rows)

    def bounds(
        self, families: int, drawn: np.random.Generator, errors: Sequence[float]
    ) -> NDArray[np.int64]:
        """The rows that each audit of each family proves, (families, audits)."""
        shape = (families, len(errors))
        found = drawn.hypergeometric(self.right, self.rows - self.right, self.sample, size=shape)
        found = drawn.binomial(found, 1 - self.unloaded)
        by_audit = [
            bounds_of(self.sample, self.rows, error)[found[:, k]] for k, error in enumerate(errors)
        ]
        return np.stack(by_audit, axis=1)

    def mistaken(self, bounds: NDArray[np.int64]) -> dict[str, float]:
        """The share of families with a certificate that errs, by strategy."""
        errs = bounds > self.right
        liked = bounds >= self.right - LIKED * self.rows
        closed = liked.argmax(axis=1)  # the first; if none is liked, no audit is closed
        until_liked = liked.any(axis=1) & errs[np.arange(len(errs)), closed]
        shares = {"once": errs[:, 0], "until_liked": until_liked, "cheat": errs.any(axis=1)}
        return {strategy: float(each.mean()) for strategy, each in shares.items()}


@cache
def bounds_of(sample: int, rows: int, error: float) -> NDArray[np.int64]:
    """The rows that each number of right rows proves, (sample + 1,)."""
    return np.array([lower_bound(right, sample, rows, error) for right in range(sample + 1)])


def certificates(families: int) -> dict[str, Any]:
    """How often certificates err, in the worst of all settings."""
    chosen = [
        Family(*each)
        for each in product(PRECISIONS, POPULATIONS, SAMPLES, UNLOADED)
        if each[2] <= each[1]
    ]
    drawn = np.random.default_rng(0)
    errors = [error_of(attempt) for attempt in range(1, ATTEMPTS + 1)]
    allowed = np.array(errors)
    allowed += 3 * np.sqrt(allowed * (1 - allowed) / families)
    excess, mistaken, uncorrected = [], [], []
    for each in chosen:
        bounds = each.bounds(families, drawn, errors)
        excess.append((bounds > each.right).mean(axis=0) - allowed)
        mistaken.append(each.mistaken(bounds))
        uncorrected.append(each.mistaken(each.bounds(families, drawn, [AUDIT_ERROR] * ATTEMPTS)))
    return {
        "families": families,
        "settings": len(chosen),
        "excess": round(float(np.max(excess)), 5),
        "mistaken": max(_worst(mistaken).values()),
        "mistaken_by_strategy": _worst(mistaken),
        "uncorrected_by_strategy": _worst(uncorrected),
    }


def _worst(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {strategy: max(each[strategy] for each in shares) for strategy in shares[0]}


def draws(engine: Engine) -> dict[str, float]:
    """Seconds to plan an audit and to draw it, for the rows of a museum and for all."""
    subjects = {
        "museum": AuditSubject(model_id=1, data_provider=PROVIDERS[2]),
        "all": AuditSubject(model_id=1),
    }
    seconds: dict[str, float] = {}
    for name, subject in subjects.items():
        planning, drawing = [], []
        for _ in range(DRAWS):
            began = time.perf_counter()
            list(plan(engine, subject).samples)
            planned = time.perf_counter()
            draw(engine, subject, sample=DRAWN, user_id=1)
            planning.append(planned - began)
            drawing.append(time.perf_counter() - planned)
        seconds[f"plan_seconds_{name}"] = median(planning)
        seconds[f"draw_seconds_{name}"] = median(drawing)
    return seconds


def main(
    families: Annotated[int, typer.Option(min=1_000)] = 100_000,
    enrichments: Annotated[int, typer.Option(min=10_000)] = 1_000_000,
) -> None:
    figures = certificates(families)
    with store_and_broker() as engine:
        fill_store(engine, enrichments=enrichments, verdicts=0)
        figures |= {"enrichments": enrichments, **draws(engine)}
    finish(
        figures=figures,
        bars={
            "excess": at_most(0),
            "mistaken": at_most(MOST_MISTAKEN),
            "draw_seconds_museum": at_most(2),
        },
    )


if __name__ == "__main__":
    typer.run(main)
