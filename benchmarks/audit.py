"""Audits: whether certificates hold as often as they say, and how long a draw takes.

    python -m benchmarks.audit [--families 10000] [--enrichments 1000000]

Certificates. Enrichments of which a known share is right are audited again and again, through the
desk's own bounds. A setting is a true precision, a number of enrichments, a sample and a strategy:

- once: one audit, which is closed;
- until_liked: up to eight audits, abandoned one after the other until one proves at least 0.05 less
  than the truth, which is closed;
- cheat: up to eight audits, abandoned until one proves more than the truth. Nobody could do worse,
  since nobody knows the truth.

A family holds if no certificate of it promises more than the truth. At least 94.5 % of 10,000
families must hold in every setting. `uncorrected` is the worst share if each audit spent all of the
5 %: why attempts are counted.

Draws. A local Postgres holds a million enrichments by one model, of ten museums. The bar is for the
rows of one museum; all rows are drawn from as well. Medians of five.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from alembic import command
from alembic.config import Config
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from benchmarks.parts.report import at_least, at_most, finish
from common.store.session import open_store
from deploy.local import local_services
from desk.audits.bounds import ERROR, error_of, lower_bound
from desk.audits.draw import draw
from desk.audits.plan import plan
from desk.audits.subject import AuditSubject

ALEMBIC_INI = Path(__file__).resolve().parents[1] / "alembic.ini"
PRECISIONS = (0.5, 0.8, 0.9, 0.95, 0.99)
POPULATIONS = (100, 1_000, 1_000_000)
SAMPLES = (20, 80, 500)
ATTEMPTS = {"once": 1, "until_liked": 8, "cheat": 8}
LIKED = 0.05  # below the truth
HELD = 0.945
CONCEPTS, MUSEUMS = 20, 10
DRAWN, DRAWS = 80, 5


@dataclass(frozen=True)
class FamilySetting:
    """Audits of enrichments of which `truth` are right."""

    truth: float
    rows: int
    sample: int
    strategy: str

    def held(self, families: int, drawn: np.random.Generator, errors: tuple[float, ...]) -> float:
        """The share of families without a certificate that promises too much."""
        right = round(self.truth * self.rows)
        shape = (families, ATTEMPTS[self.strategy])
        found = drawn.hypergeometric(right, self.rows - right, self.sample, size=shape)
        bounds = np.stack(
            [bounds_of(self.sample, error)[found[:, k]] for k, error in enumerate(errors)], axis=1
        )
        truth = right / self.rows
        liked = bounds > truth if self.strategy == "cheat" else bounds >= truth - LIKED
        if self.strategy == "once":
            liked = np.ones_like(liked)
        closed = liked.argmax(axis=1)  # the first; where none is liked, no audit is closed
        is_false = liked.any(axis=1) & (bounds[np.arange(families), closed] > truth)
        return 1 - float(is_false.mean())


@cache
def bounds_of(sample: int, error: float) -> NDArray[np.float64]:
    """What each number of right rows proves (sample + 1,)."""
    return np.array([lower_bound(right, sample, error) for right in range(sample + 1)])


def certificates(families: int) -> dict[str, Any]:
    """The worst shares of families that hold, over all settings."""
    settings = [
        FamilySetting(truth, rows, sample, strategy)
        for truth, rows, sample, strategy in product(PRECISIONS, POPULATIONS, SAMPLES, ATTEMPTS)
        if sample <= rows
    ]
    drawn = np.random.default_rng(0)
    corrected, uncorrected = {}, {}
    for each in settings:
        attempts = range(1, ATTEMPTS[each.strategy] + 1)
        corrected[each] = each.held(families, drawn, tuple(map(error_of, attempts)))
        uncorrected[each] = each.held(families, drawn, tuple(ERROR for _ in attempts))
    return {
        "families": families,
        "settings": len(settings),
        "held": min(corrected.values()),
        "held_by_strategy": _worst(corrected),
        "uncorrected_by_strategy": _worst(uncorrected),
    }


def _worst(held: Mapping[FamilySetting, float]) -> dict[str, float]:
    return {
        strategy: round(min(held[each] for each in held if each.strategy == strategy), 4)
        for strategy in ATTEMPTS
    }


@contextmanager
def store(enrichments: int) -> Iterator[Engine]:
    """A Postgres with so many enrichments by model 1, of ten museums."""
    with local_services() as services:
        os.environ["DATABASE_URL"] = services.database_url
        command.upgrade(Config(ALEMBIC_INI), "head")
        engine = open_store()
        with engine.begin() as connection:
            for statement in FILL:
                connection.execute(text(statement), {"rows": enrichments})
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        yield engine
        engine.dispose()


FILL = (
    "INSERT INTO desk_user (name, role) VALUES ('a reviewer', 'reviewer')",
    f"""INSERT INTO concept SELECT 'http://data.europeana.eu/concept/' || n, 'concept ' || n
        FROM generate_series(0, {CONCEPTS - 1}) AS n""",
    """INSERT INTO model (name, version, path, sha256, labels, thresholds, stage)
       VALUES ('vases', 1, 'vases-1', repeat('0', 64), '{}', '{}', 'active')""",
    "INSERT INTO job (model_id, state, finished_at) VALUES (1, 'done', now())",
    f"""INSERT INTO record (id, data_provider)
        SELECT '/' || n % 500 || '/BibliographicResource_' || 1000000000000 + n,
               'museum ' || n % {MUSEUMS}
        FROM generate_series(1, :rows) AS n""",
    f"""INSERT INTO enrichment (model_id, record_id, concept_uri, confidence, source, image_url,
                                job_id)
        SELECT 1, record.id,
               'http://data.europeana.eu/concept/' || abs(hashtext(record.id)) % {CONCEPTS},
               0.9, 'thumbnail', 'https://api.europeana.eu/thumbnail/v3/400/' || md5(record.id),
               job.id
        FROM record CROSS JOIN job""",
)


def draws(engine: Engine) -> dict[str, float]:
    """Seconds to plan an audit and to draw it, for the rows of a museum and for all."""
    subjects = {
        "museum": AuditSubject(model_id=1, data_provider="museum 3"),
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
    families: Annotated[int, typer.Option(min=1_000)] = 10_000,
    enrichments: Annotated[int, typer.Option(min=10_000)] = 1_000_000,
) -> None:
    """Simulate, measure and compare with the bars."""
    figures = certificates(families)
    with store(enrichments) as engine:
        figures |= {"enrichments": enrichments, **draws(engine)}
    finish(figures=figures, bars={"held": at_least(HELD), "draw_seconds_museum": at_most(2)})


if __name__ == "__main__":
    typer.run(main)
