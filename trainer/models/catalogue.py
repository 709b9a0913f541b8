"""The models of the store with their descriptions: find, list, describe and retire them.

This module loads no torch.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from common.errors import ModelError, UsageError
from common.store.model_names import ModelName, version_meant
from common.vision.bundle import (
    DESCRIPTION,
    Description,
    read_checked,
    read_description,
)
from common.vision.encoders.description import ENCODERS, check_encoder, missing_files
from common.vision.encoders.licences import warning_about
from trainer.models.store import StoredModel, retire_model, stored_models


@dataclass(frozen=True, kw_only=True)
class ListedModel(StoredModel):
    """A model of the store with its description, and with the files that are missing.

    `problem` says what is wrong with its files, and how to get them back; null if they are in
    order. Without `model.json` there is no description.
    """

    description: Description | None
    missing_files: tuple[str, ...]
    problem: str | None

    @property
    def architecture(self) -> str:
        return self.description.architecture if self.description else "unknown"

    @property
    def trained_on(self) -> str:
        origin = self.description.created_from if self.description else {}
        return str(origin.get("data") or origin.get("checkpoint") or self.run or "unknown")

    @property
    def promoted(self) -> str:
        return f"{self.created_at.astimezone():%Y-%m-%d %H:%M}"

    @property
    def files(self) -> str:
        if self.missing_files:
            return "files missing"
        return "damaged" if self.problem else "there"

    def origin(self) -> list[str]:
        if self.description is None:
            return []
        has = self.description
        prepared = f"{has.preprocessing.size} px, {has.preprocessing.resize}"
        return [
            f"{len(has.members)} x {_network_of(has)} at {prepared}; {has.kind}-label, "
            f"temperature {has.temperature:.3f}, pictures: {has.picture_source}",
            *self._encoder_lines(),
            *(f"{key}: {value}" for key, value in has.created_from.items()),
            *(f"{file.file}: sha256 {file.sha256}" for file in has.files),
        ]

    def _encoder_lines(self) -> list[str]:
        if self.licence is None:
            return []
        licence = self.licence or "unknown"
        warning = warning_about(self.licence)
        return [f"encoder: {self.encoder}, licence {licence}", *filter(None, [warning])]


def _network_of(description: Description) -> str:
    heads = "head on " if description.encoder else ""
    return f"{heads}{description.architecture}"


def find_model(engine: Engine, reference: str) -> StoredModel:
    """The model with this name; for NAME alone see `version_meant`.

    Raises:
        UsageError: there is no such model, or NAME alone has several meanings; the message names
            the models that exist.
    """
    wanted = ModelName.parse(reference)
    versions = stored_models(engine, wanted.name)
    if not versions:
        names = sorted({model.name for model in stored_models(engine)})
        there_are = f"there are: {', '.join(names)}" if names else "there are no models yet"
        raise UsageError(f"There is no model {wanted.name}; {there_are}.")
    with engine.connect() as connection:
        wanted = version_meant(connection, wanted)
    for model in versions:
        if model.version == wanted.version:
            return model
    known = ", ".join(str(model.version) for model in versions)
    raise UsageError(f"Model {wanted.name} has no version {wanted.version}. It has: {known}.")


def list_models(engine: Engine, model_dir: Path) -> list[ListedModel]:
    """All models with their descriptions; missing files are a `problem`, not an error."""
    return [describe(model, model_dir) for model in stored_models(engine)]


def describe(model: StoredModel, model_dir: Path) -> ListedModel:
    """A model with its description, and whether its files exist; their content is not read."""
    description, missing, problem = None, [], None
    folder = model_dir / model.path
    try:
        description = read_description(folder, model.sha256)
    except ModelError as error:
        problem = str(error)
        missing = [] if (folder / DESCRIPTION).exists() else [f"{model.path}/{DESCRIPTION}"]
    else:
        try:
            paths = missing_files(model_dir, model.path, description)
            missing = [str(path.relative_to(model_dir)) for path in paths]
        except ModelError as error:
            problem = str(error)
    if missing:
        problem = (
            f"{model_dir} lacks {', '.join(missing)}. {_way_back(model, description, missing)}"
        )
    return ListedModel(
        **vars(model), description=description, missing_files=tuple(missing), problem=problem
    )


def check_files(model: ListedModel, model_dir: Path) -> str | None:
    """What is wrong with the files of a model and its encoder; None if they are in order. Reads all
    files.
    """
    if model.problem or model.description is None:
        return model.problem
    try:
        for file in model.description.files:
            read_checked(model_dir / model.path / file.file, file.sha256)
        if model.description.encoder is not None:
            check_encoder(model_dir / ENCODERS, model.description.encoder)
    except ModelError as error:
        return str(error)
    return None


def _way_back(model: StoredModel, description: Description | None, missing: Sequence[str]) -> str:
    commands = []
    if any(name.startswith(f"{ENCODERS}/") for name in missing):
        commands.append(f"trainer encoders add {model.encoder} ...")
    if any(not name.startswith(f"{ENCODERS}/") for name in missing):
        commands.append(_made_by(model, description.created_from if description else {}))
    return f"Restore them from a backup, or run the commands that made them: {', '.join(commands)}"


def _made_by(model: StoredModel, origin: Mapping[str, Any]) -> str:
    if "checkpoint" in origin:
        checkpoint = shlex.quote(str(origin["checkpoint"]))
        return f"trainer models import {checkpoint} --name {model.name} ..."
    experiment = origin.get("experiment") or model.run or "EXPERIMENT"
    return f"trainer promote {experiment} --name {model.name}"


@dataclass(frozen=True, kw_only=True)
class RetiredModel:
    """A model that was retired, as it was before.

    `withdrawn` counts its audits that are no longer valid.
    """

    before: StoredModel
    withdrawn: int
    is_another_active: bool


def retire(engine: Engine, reference: str) -> RetiredModel:
    """Take a model out of service for good, and withdraw its certificates.

    Raises:
        UsageError: there is no such model.
    """
    model = find_model(engine, reference)
    done = retire_model(engine, model.id)
    return RetiredModel(
        before=model, withdrawn=done.withdrawn, is_another_active=done.is_another_active
    )
