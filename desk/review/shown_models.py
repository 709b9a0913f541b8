"""The models that pages show, and their heads, which predict from embeddings."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, TextClause, text

from common.store.model_names import ModelName, version_meant
from common.store.tables.jobs import JOB_MODELS
from common.store.tables.vocabularies import label_sql
from common.vision.answers.answering import Answering
from common.vision.answers.saved import load_answering
from common.vision.bundle import read_description
from common.vocabulary.languages import READER
from desk.review.filters import ViewFilters

MOST_LOADED = 16


@dataclass(frozen=True, kw_only=True)
class ShownModel:
    """A model with the labels of its concepts, by URI, in the reader's language.

    `encoder_id` is None for a whole network.
    """

    id: int
    name: str
    version: int
    path: str
    sha256: str
    encoder_id: int | None
    vocabulary_id: int | None
    concepts: dict[str, str]

    @property
    def title(self) -> str:
        return ModelName(self.name, self.version).title

    @property
    def reference(self) -> str:
        return str(ModelName(self.name, self.version))


_MODELS = f"""
    SELECT model.id, model.name, model.version, model.path, model.sha256,
           model.encoder_id, model.vocabulary_id,
           (SELECT json_object_agg(uri, {label_sql("model.vocabulary_id", "uri")} ORDER BY place)
            FROM unnest(model.labels) WITH ORDINALITY AS own(uri, place)) AS concepts
    FROM model
"""
_OF_JOB = text(f"""
    {_MODELS} JOIN job ON job.id = :job AND model.id = ANY({JOB_MODELS})
    ORDER BY model.id
""")
_NAMED = text(f"""
    {_MODELS} WHERE name = :name AND version = :version
""")
_USUAL = text(f"{_MODELS} ORDER BY stage = 'active' DESC, created_at DESC LIMIT 1")
_SERVING = text(f"""
    {_MODELS} JOIN service ON service.model_id = model.id AND service.ended_at IS NULL
         AND service.data_provider = :data_provider
""")
# Without labels: those of all concepts of all models would take long.
_BARE = """
    SELECT id, name, version, path, sha256, encoder_id, vocabulary_id, NULL AS concepts
    FROM model
"""
_ALL = text(f"{_BARE} ORDER BY name, version DESC")
_BARELY_NAMED = text(f"{_BARE} WHERE name = :name AND version = :version")


def models_of(connection: Connection, filters: ViewFilters) -> list[ShownModel]:
    """The models of the filters: the named one, a job's, or the one that serves the data provider
    or all records. Empty if there is no such model."""
    if filters.model is not None:
        meant = version_meant(connection, filters.model)
        asked = {"name": meant.name, "version": meant.version}
        return _shown(connection, _NAMED, asked)
    if filters.provider and filters.job is None:
        serving = model_for(connection, filters.provider)
        return [serving] if serving else []
    if filters.job is not None:
        return _shown(connection, _OF_JOB, {"job": filters.job})
    return _shown(connection, _USUAL, {})


def model_for(connection: Connection, data_provider: str) -> ShownModel | None:
    """The model that serves a data provider: its own, or the one for all records."""
    found = _shown(connection, _SERVING, {"data_provider": data_provider})
    return next(iter(found or models_of(connection, ViewFilters())), None)


def all_models(connection: Connection) -> list[ShownModel]:
    """All models without their concepts, the newest version of each name first."""
    return _shown(connection, _ALL, {})


def model_named(connection: Connection, wanted: ModelName) -> ShownModel | None:
    """A model without its concepts; see `version_meant`. None if there is no such model.

    Raises:
        UsageError: the name alone may mean several versions.
    """
    meant = version_meant(connection, wanted)
    asked = {"name": meant.name, "version": meant.version}
    return next(iter(_shown(connection, _BARELY_NAMED, asked)), None)


def _shown(
    connection: Connection, statement: TextClause, asked: Mapping[str, Any]
) -> list[ShownModel]:
    rows = connection.execute(statement, {**asked, "languages": list(READER.get())}).mappings()
    return [ShownModel(**{**row, "concepts": row["concepts"] or {}}) for row in rows]


class LoadedHeads:
    """Loads models without their networks when a page needs them. Threads share it."""

    def __init__(self, model_dir: Path) -> None:
        self._model_dir = model_dir
        self._loaded: OrderedDict[int, Answering] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, model: ShownModel) -> Answering:
        """The model's heads, rule and likeness.

        Raises:
            ModelError: the bundle is missing or was changed.
        """
        with self._lock:
            if model.id not in self._loaded:
                folder = self._model_dir / model.path
                description = read_description(folder, model.sha256)
                self._loaded[model.id] = load_answering(folder, description)
                if len(self._loaded) > MOST_LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(model.id)
            return self._loaded[model.id]
