"""Drift: what models say of each data provider's pictures, beside what they said at promotion.

Each chunk of a job keeps the tallies of what was said of its records (`job_chunk.said`). Records
are spread over chunks by a hash, so some chunks tell of all: the newest MOST_CHUNKS are counted,
which takes half a second where each of them has two hundred data providers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, computed_field
from sqlalchemy import Engine, Row, text

from common.errors import StoreError
from common.process.terminal.listing import Listing
from common.store.model_names import ModelName
from common.store.tables.jobs import JOB_MODELS
from common.vision.answers.tally import DRIFTED, TALLY_LENGTH, Tally

MOST_CHUNKS = 1_000  # a quarter of a million records
LEAST_PICTURES = 100  # below, most of the drift is chance
SHOWN = 10  # data providers
NOBODY = "(unknown)"
_TALLY = TypeAdapter(Tally)


@dataclass(frozen=True, kw_only=True)
class ProviderDrift:
    """What a model predicts for a data provider's pictures, `now`, and for all `at_promotion`.

    The name of the provider is empty if it is unknown.
    """

    data_provider: str
    now: Tally
    at_promotion: Tally | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def index(self) -> float | None:
        """How far `now` is from `at_promotion`; null for few pictures, or if one is unknown."""
        if self.at_promotion is None or self.now.pictures < LEAST_PICTURES:
            return None
        index = self.now.drift_from(self.at_promotion)
        return None if math.isnan(index) else index

    @computed_field  # type: ignore[prop-decorator]
    @property
    def has_drifted(self) -> bool:
        return self.index is not None and self.index > DRIFTED


@dataclass(frozen=True, kw_only=True)
class ModelDrift:
    """What a model predicted for each data provider's pictures, most pictures first.

    `is_part`: only the newest quarter of a million records are counted; the job has more.
    """

    model_id: int
    model: str
    at_promotion: Tally | None
    providers: tuple[ProviderDrift, ...]
    is_part: bool

    @property
    def title(self) -> str:
        part = f" (its newest {MOST_CHUNKS:,} chunks)" if self.is_part else ""
        return f"{self.model} said, by data provider{part}:"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def of_all(self) -> ProviderDrift:
        now = Tally.sum(each.now for each in self.providers)
        return ProviderDrift(data_provider="", now=now, at_promotion=self.at_promotion)

    def table(self) -> Listing:
        numbers = ("pictures", "written", "unlike", "confidence")
        last = ("drift",) if self.at_promotion else ()
        table = Listing("data provider", *numbers, *last, numbers=numbers, texts=("data provider",))
        for each in self.providers[:SHOWN]:
            table.add(each.data_provider or NOBODY, *_cells(each.now), *self._drift(each))
        if (more := len(self.providers) - SHOWN) > 0:
            rest = Tally.sum(each.now for each in self.providers[SHOWN:])
            table.add(f"{more:,} more", *_cells(rest), *("" for _ in last), style="dim")
        if len(self.providers) > 1:
            table.add("all together", *_cells(self.of_all.now), *self._drift(self.of_all))
        if self.at_promotion:
            table.add("at promotion", *_cells(self.at_promotion), "")
        return table

    def _drift(self, each: ProviderDrift) -> list[str]:
        return [_told(each)] if self.at_promotion else []


def _share(part: int, tally: Tally) -> float:
    return part / tally.pictures if tally.pictures else 0.0


def _cells(tally: Tally) -> list[str]:
    confidence = "" if math.isnan(tally.confidence) else f"{tally.confidence:.2f}"
    parts = [f"{_share(part, tally):.1%}" for part in (tally.written, tally.unlike)]
    return [f"{tally.pictures:,}", *parts, confidence]


def _told(drift: ProviderDrift) -> str:
    if drift.index is None:
        return ""
    return f"{drift.index:.2f}{' drifted' if drift.has_drifted else ''}"


def drift_of_job(engine: Engine, job_id: UUID) -> list[ModelDrift]:
    return _drifts(engine, "job_id = :id", job_id)


def drift_of_model(engine: Engine, model_id: int) -> ModelDrift | None:
    jobs = f"SELECT id FROM job WHERE :id = ANY({JOB_MODELS})"
    drifts = _drifts(engine, f"job_id IN ({jobs})", model_id)
    return next((each for each in drifts if each.model_id == model_id), None)


_SUMS = ", ".join(
    f"sum(CAST(of_provider.value ->> {place} AS bigint))" for place in range(TALLY_LENGTH)
)


def _drifts(engine: Engine, chosen: str, number: UUID | int) -> list[ModelDrift]:
    statement = text(f"""
        WITH newest AS (
            SELECT said FROM job_chunk WHERE said IS NOT NULL AND {chosen}
            ORDER BY settled_at DESC LIMIT :most_chunks
        ), counted AS (
            SELECT CAST(of_model.key AS int) AS model_id, of_provider.key AS data_provider,
                   CAST(ARRAY[{_SUMS}] AS bigint[]) AS counts
            FROM newest CROSS JOIN LATERAL jsonb_each(said) AS of_model
            CROSS JOIN LATERAL jsonb_each(of_model.value) AS of_provider
            GROUP BY of_model.key, of_provider.key
        )
        SELECT model.id, model.name, model.version, model.promise -> 'said' AS at_promotion,
               (SELECT count(*) = :most_chunks FROM newest) AS is_part,
               counted.data_provider, counted.counts
        FROM counted JOIN model ON model.id = counted.model_id ORDER BY model.id
    """)
    with engine.connect() as connection:
        rows = connection.execute(statement, {"id": number, "most_chunks": MOST_CHUNKS})
        return [_drift(list(of_model)) for _, of_model in groupby(rows, key=attrgetter("id"))]


def _drift(rows: Sequence[Row[Any]]) -> ModelDrift:
    first = rows[0]
    title, promised = ModelName(first.name, first.version).title, first.at_promotion
    try:
        at_promotion = None if promised is None else _TALLY.validate_python(promised)
        providers = [
            ProviderDrift(
                data_provider=row.data_provider,
                now=Tally.of_counts(row.counts),
                at_promotion=at_promotion,
            )
            for row in rows
        ]
    except ValueError as error:  # another program wrote it
        raise StoreError(f"The saved counts of the predictions of {title} are damaged.") from error
    providers.sort(key=lambda each: (-each.now.pictures, each.data_provider))
    return ModelDrift(
        model_id=first.id,
        model=title,
        at_promotion=at_promotion,
        providers=tuple(providers),
        is_part=first.is_part,
    )
