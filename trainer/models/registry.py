"""The models of the store: add, find, describe, activate, retire and load them.

A new bundle is written and tested beside the models, moved to its place, and then recorded in the
store.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from common.errors import EnrichmentError, ModelError, UsageError
from common.store.model_names import ModelName
from common.vision.answers.known_pictures import KnownPictures, read_known
from common.vision.answers.likeness import Likeness
from common.vision.bundle import Description, read_description
from common.vision.encoders.encoder import ENCODERS
from common.vision.encoders.licences import warning_about
from common.vision.model import Model
from common.vision.saved_model import bundle_sha256, load_bundle, save_bundle
from common.vision.weights import StateDict
from trainer.models.example_pictures import ExamplePictures
from trainer.models.store import (
    ModelRow,
    Promoted,
    StoredModel,
    activate_model,
    add_model,
    retire_model,
    stored_models,
)


def put_in_service(
    engine: Engine,
    model_dir: Path,
    description: Description,
    members: list[StateDict],
    *,
    pictures: ExamplePictures,
    name: str,
    active: bool,
    likeness: Likeness | None = None,
    known: KnownPictures | None = None,
) -> Promoted:
    """Write a bundle, test it, and add it to the models of the store.

    Raises:
        ModelError: the weights do not fit the description; nothing is written then.
        EnrichmentError: the disk is full or refuses.
    """
    with _scratch_folder(model_dir) as scratch:
        bundle = scratch / "bundle"
        sha256 = save_bundle(
            bundle,
            description,
            members,
            encoders=model_dir / ENCODERS,
            self_test=pictures.self_test,
            calibration=pictures.calibration,
            likeness=likeness,
            known=known,
        )
        check_bundle(bundle, sha256, encoders=model_dir / ENCODERS)
        row = ModelRow(
            name=name,
            sha256=sha256,
            concepts=dict(zip(description.concept_uris, description.labels, strict=True)),
            thresholds={uri: t for uri, t in description.thresholds.items() if t is not None},
            picture_source=description.picture_source,
            fingerprint=description.created_from.get("dataset_fingerprint", ""),
            run=description.created_from.get("experiment", ""),
            encoder=description.encoder,
            promise=asdict(description.promise) if description.promise else None,
        )
        return add_model(
            engine, row, lambda path: _put(bundle, model_dir / path, sha256), active=active
        )


def check_bundle(folder: Path, sha256: str, *, encoders: Path) -> Model:
    """The model of a bundle, after checking its files, its encoder's, and its self-test.

    Raises:
        ModelError: a file is missing or was changed, or the self-test fails.
    """
    model = load_bundle(folder, sha256, encoders=encoders)
    model.self_test(model.served.rows)
    return model


def _put(bundle: Path, target: Path, sha256: str) -> None:
    """Move the bundle to its place, unless it is there. Other files there were never promoted."""
    try:
        load_bundle(target, sha256)
    except ModelError:
        shutil.rmtree(target, ignore_errors=True)
        bundle.rename(target)


@contextmanager
def _scratch_folder(model_dir: Path) -> Iterator[Path]:
    """A folder beside the models, deleted at the end of the block."""
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".promoting-", dir=model_dir) as scratch:
            yield Path(scratch)
    except OSError as error:
        raise EnrichmentError(f"{model_dir} cannot be written to: {error.strerror}.") from error


@dataclass(frozen=True, kw_only=True)
class ListedModel:
    """A model of the store with its description; without one, `problem` says why."""

    stored: StoredModel
    description: Description | None
    problem: str = ""

    @property
    def architecture(self) -> str:
        """The classifier's architecture."""
        return self.description.architecture if self.description else "bundle damaged or missing"

    @property
    def trained_on(self) -> str:
        """Its training data, as far as known."""
        origin = self.description.created_from if self.description else {}
        return str(origin.get("data") or origin.get("checkpoint") or self.stored.run or "unknown")

    @property
    def promoted(self) -> str:
        """The time of promotion, local."""
        return f"{self.stored.created_at.astimezone():%Y-%m-%d %H:%M}"

    def origin(self) -> list[str]:
        """The description without its concepts, in lines."""
        if self.description is None:
            return []
        says = self.description
        prepared = f"{says.preprocessing.size} px, {says.preprocessing.resize}"
        return [
            f"{len(says.members)} x {_network_of(says)} at {prepared}; {says.kind}-label, "
            f"temperature {says.temperature:.3f}, pictures: {says.picture_source}",
            *self._encoder_lines(),
            *(f"{key}: {value}" for key, value in says.created_from.items()),
            *(f"{file.file}: sha256 {file.sha256}" for file in says.files),
        ]

    def _encoder_lines(self) -> list[str]:
        if self.stored.licence is None:
            return []
        licence = self.stored.licence or "unknown"
        warning = warning_about(self.stored.licence)
        return [f"encoder: {self.stored.encoder}, licence {licence}", *filter(None, [warning])]

    def to_json(self) -> dict[str, Any]:
        """The members as JSON has them."""
        members = asdict(self.stored) | {"created_at": self.stored.created_at.isoformat()}
        says = json.loads(self.description.to_json()) if self.description else None
        return members | {"description": says, "problem": self.problem or None}


def _network_of(description: Description) -> str:
    heads = "head on " if description.encoder else ""
    return f"{heads}{description.architecture}"


def find_model(engine: Engine, reference: str) -> StoredModel:
    """The model with this name; NAME alone means its latest version.

    Raises:
        UsageError: there is no such model; the message names those that exist.
    """
    wanted = ModelName.parse(reference)
    versions = stored_models(engine, wanted.name)
    if not versions:
        names = sorted({model.name for model in stored_models(engine)})
        there_are = f"there are: {', '.join(names)}" if names else "there are no models yet"
        raise UsageError(f"There is no model {wanted.name}; {there_are}.")
    if wanted.version is None:
        return versions[-1]
    for model in versions:
        if model.version == wanted.version:
            return model
    known = ", ".join(str(model.version) for model in versions)
    raise UsageError(f"Model {wanted.name} has no version {wanted.version}, but: {known}.")


def list_models(engine: Engine, model_dir: Path) -> list[ListedModel]:
    """All models with their descriptions; a missing bundle is a `problem`, no error."""
    return [describe(model, model_dir) for model in stored_models(engine)]


def describe(model: StoredModel, model_dir: Path) -> ListedModel:
    """A model with its description."""
    try:
        description = read_description(model_dir / model.path, model.sha256)
    except ModelError as error:
        return ListedModel(stored=model, description=None, problem=str(error))
    return ListedModel(stored=model, description=description)


@dataclass(frozen=True, kw_only=True)
class Activated:
    """A model that was put in service; `taken_out` as for `Promoted`."""

    model: StoredModel
    taken_out: tuple[str, ...]

    @property
    def title(self) -> str:
        """That of the model."""
        return self.model.title


def activate(
    engine: Engine,
    model_dir: Path,
    reference: str,
    *,
    data_provider: str | None = None,
    began_by: int | None = None,
) -> Activated:
    """Put a model in service after checking its bundle: for all, or for a data provider.

    Args:
        began_by: the number of the desk's account that does it; None for a command.

    Raises:
        UsageError: there is no such model or data provider, or the model is not on the encoder of
            the model for all.
        ModelError: its bundle is missing, was changed, or fails its self-test; nothing changes.
    """
    model = find_model(engine, reference)
    check_bundle(model_dir / model.path, model.sha256, encoders=model_dir / ENCODERS)
    taken_out = activate_model(engine, model.id, data_provider=data_provider, began_by=began_by)
    return Activated(model=model, taken_out=tuple(taken_out))


def retire(engine: Engine, reference: str) -> tuple[StoredModel, bool]:
    """Take a model out of service. Returns it, and whether another one is active.

    Raises:
        UsageError: there is no such model.
    """
    model = find_model(engine, reference)
    return model, retire_model(engine, model.id)


@dataclass(frozen=True, kw_only=True)
class OpenModel:
    """A loaded model, its title, and the pictures that it knows; None if nobody noted them."""

    title: str
    model: Model
    known: KnownPictures | None


def open_bundle(folder: Path) -> OpenModel:
    """The model of a bundle outside the store, whose files are checked by its own `model.json`.

    Raises:
        ModelError: a file is missing or was changed.
    """
    return _open(str(folder), folder, bundle_sha256(folder))


def open_stored(engine: Engine, model_dir: Path, reference: str) -> OpenModel:
    """The model of the store with this name.

    Raises:
        UsageError: there is no such model.
        ModelError: its bundle is missing or was changed.
    """
    stored = find_model(engine, reference)
    return _open(stored.title, model_dir / stored.path, stored.sha256)


def _open(title: str, folder: Path, sha256: str) -> OpenModel:
    model = load_bundle(folder, sha256)
    return OpenModel(title=title, model=model, known=read_known(folder, model.description))
