"""Bundles on their way into service: written, tried, put in place and told to the store."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from common.errors import EnrichmentError, ModelError
from common.vision.model import (
    Description,
    Model,
    load_bundle,
    save_bundle,
)
from common.vision.network import StateDict
from trainer.models.examples import ExamplePictures
from trainer.models.store import ModelRow, Promoted, add_model


def put_in_service(
    engine: Engine,
    model_dir: Path,
    description: Description,
    members: list[StateDict],
    *,
    pictures: ExamplePictures,
    name: str,
    active: bool,
) -> Promoted:
    """Make a bundle, try it, and add it to the models of the store.

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
            self_test=pictures.self_test,
            calibration=pictures.calibration,
        )
        check_bundle(bundle, sha256)
        row = ModelRow(
            name=name,
            sha256=sha256,
            concepts=dict(zip(description.concept_uris, description.labels, strict=True)),
            thresholds={uri: t for uri, t in description.thresholds.items() if t is not None},
            picture_source=description.picture_source,
            fingerprint=description.created_from.get("dataset_fingerprint", ""),
            run=description.created_from.get("experiment", ""),
        )
        return add_model(
            engine, row, lambda path: _put(bundle, model_dir / path, sha256), active=active
        )


def check_bundle(folder: Path, sha256: str) -> Model:
    """The model of a bundle, which is whole and passes its self-test.

    Raises:
        ModelError: it does not.
    """
    model = load_bundle(folder, sha256)
    model.self_test(model.probabilities)
    return model


def _put(bundle: Path, target: Path, sha256: str) -> None:
    """Move the bundle to its place, unless it is there; what lies there else was never promoted."""
    try:
        load_bundle(target, sha256)
    except ModelError:
        shutil.rmtree(target, ignore_errors=True)
        bundle.rename(target)


@contextmanager
def _scratch_folder(model_dir: Path) -> Iterator[Path]:
    """A folder beside the models, which goes when the block ends."""
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".promoting-", dir=model_dir) as scratch:
            yield Path(scratch)
    except OSError as error:
        raise EnrichmentError(f"{model_dir} cannot be written to: {error.strerror}.") from None
