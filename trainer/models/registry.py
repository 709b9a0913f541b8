"""The models of the store: add and load them. `catalogue` finds and describes them.

A new bundle is written and tested in a folder beside the models. Then it is moved to its place and
recorded in the store.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from sqlalchemy import Engine

from common.errors import EnrichmentError, ModelError
from common.vision.answers.familiar_pictures import FamiliarPictures, read_known
from common.vision.answers.likeness import Likeness
from common.vision.bundle import Description
from common.vision.encoders.description import ENCODERS
from common.vision.model import Model
from common.vision.saved_model import bundle_sha256, load_bundle, save_bundle
from common.vision.weights import StateDict
from trainer.models.catalogue import find_model
from trainer.models.store import Promoted, add_model


def put_in_service(
    engine: Engine,
    model_dir: Path,
    description: Description,
    members: list[StateDict],
    *,
    self_test: torch.Tensor,
    name: str,
    active: bool,
    likeness: Likeness | None = None,
    known: FamiliarPictures | None = None,
) -> Promoted:
    """Write a bundle, test it, and add it to the models of the store.

    Raises:
        ModelError: the weights do not fit the description; then the model is not saved.
        EnrichmentError: the disk is full or cannot be written to.
    """
    with _scratch_folder(model_dir) as scratch:
        bundle = scratch / "bundle"
        sha256 = save_bundle(
            bundle,
            description,
            members,
            encoders=model_dir / ENCODERS,
            self_test=self_test,
            likeness=likeness,
            known=known,
        )
        check_bundle(bundle, sha256, encoders=model_dir / ENCODERS)
        return add_model(
            engine,
            description,
            name=name,
            sha256=sha256,
            place=lambda path: _put(bundle, model_dir / path, sha256),
            active=active,
        )


def check_bundle(folder: Path, sha256: str, *, encoders: Path) -> Model:
    """The model of a bundle, after a check of its files, those of its encoder, and its self-test.

    Raises:
        ModelError: a file is missing or was changed, or the self-test fails.
    """
    model = load_bundle(folder, sha256, encoders=encoders)
    model.self_test(model.served.rows)
    return model


def _put(bundle: Path, target: Path, sha256: str) -> None:
    """Move the bundle to its place, unless it is there. Other files there are not promoted: replace
    them.
    """
    try:
        load_bundle(target, sha256)
    except ModelError:
        shutil.rmtree(target, ignore_errors=True)
        bundle.rename(target)


@contextmanager
def _scratch_folder(model_dir: Path) -> Iterator[Path]:
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".promoting-", dir=model_dir) as scratch:
            yield Path(scratch)
    except OSError as error:
        raise EnrichmentError(f"{model_dir} cannot be written to: {error.strerror}.") from error


@dataclass(frozen=True, kw_only=True)
class OpenModel:
    """A loaded model, its title, and the pictures that it knows; None if they are unknown."""

    title: str
    model: Model
    known: FamiliarPictures | None


def open_bundle(folder: Path) -> OpenModel:
    """The model of a bundle outside the store; its own `model.json` checks its files.

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
