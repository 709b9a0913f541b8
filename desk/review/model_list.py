"""Models and trainings for the lists of pages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from common.store.in_service import STANDING
from common.store.model_names import ModelName

MOST = 200  # rows in a list


@dataclass(frozen=True, kw_only=True)
class ListedVersion:
    """A model in the list: serving, not serving, or retired at a time.

    `serves` names data providers; the empty text means all records.
    """

    id: int
    name: str
    version: int
    standing: str
    retired_at: datetime | None
    encoder: str | None
    concepts: int
    on: int
    precision: float | None
    promoted_by: str | None
    created_at: datetime
    serves: tuple[str, ...]

    @property
    def title(self) -> str:
        return ModelName(self.name, self.version).title

    @property
    def reference(self) -> str:
        return str(ModelName(self.name, self.version))


@dataclass(frozen=True, kw_only=True)
class ServiceTime:
    data_provider: str | None
    began_at: datetime
    ended_at: datetime | None
    began_by: str | None


@dataclass(frozen=True, kw_only=True)
class ListedTraining:
    """A training in the list, with its mean accuracy over the folds."""

    name: str
    created_at: datetime
    accuracy: float | None
    models: tuple[str, ...]


_MODELS = text(f"""
    SELECT model.id, model.name, model.version, {STANDING} AS standing, model.retired_at,
           encoder.name AS encoder,
           cardinality(model.labels) AS concepts,
           (SELECT count(*) FROM jsonb_object_keys(model.thresholds)) AS on,
           CAST(model.promise ->> 'precision' AS float8) AS precision,
           model.promoted_by, model.created_at,
           ARRAY(SELECT coalesce(data_provider, '') FROM service
                 WHERE model_id = model.id AND ended_at IS NULL ORDER BY 1) AS serves
    FROM model LEFT JOIN encoder ON encoder.id = model.encoder_id
    ORDER BY model.created_at DESC LIMIT {MOST}
""")
_SERVED = text(f"""
    SELECT service.data_provider, service.began_at, service.ended_at,
           coalesce(who.name, 'account ' || who.id) AS began_by
    FROM service LEFT JOIN desk_user AS who ON who.id = service.began_by
    WHERE model_id = :model_id ORDER BY service.began_at DESC LIMIT {MOST}
""")
_TRAININGS = text(f"""
    SELECT run.name, run.created_at, run.metrics #>> '{{accuracy,mean}}' AS accuracy,
           ARRAY(SELECT name || ' v' || version FROM model WHERE run_id = run.id ORDER BY id)
               AS models
    FROM training_run AS run ORDER BY run.created_at DESC LIMIT {MOST}
""")


def list_versions(connection: Connection) -> list[ListedVersion]:
    """Models, the newest first."""
    rows = connection.execute(_MODELS).mappings()
    return [ListedVersion(**{**row, "serves": tuple(row["serves"])}) for row in rows]


def service_history(connection: Connection, model_id: int) -> list[ServiceTime]:
    """The times when a model was in service, the newest first."""
    rows = connection.execute(_SERVED, {"model_id": model_id}).mappings()
    return [ServiceTime(**row) for row in rows]


def list_trainings(connection: Connection) -> list[ListedTraining]:
    """Trainings, the newest first."""
    rows: Any = connection.execute(_TRAININGS).mappings()
    return [
        ListedTraining(
            name=row["name"],
            created_at=row["created_at"],
            accuracy=float(row["accuracy"]) if row["accuracy"] else None,
            models=tuple(row["models"]),
        )
        for row in rows
    ]
