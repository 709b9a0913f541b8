"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from common.errors import UsageError
from common.process.settings import ImageSettings, ModelSettings
from common.store.session import open_store
from common.vision.model import DESCRIPTION, Kind
from trainer.data.dataset import TrainingData, dataset_data, folder_data
from trainer.models.registry import OpenModel, open_bundle, open_stored

SavingDir = Annotated[
    Path, typer.Option(envvar="EXPERIMENT_DIR", help="Folder of the experiments.")
]
Precision = Annotated[
    float, typer.Option(help="What each concept's precision is to be, with 95 % confidence.")
]
DatasetName = Annotated[str | None, typer.Option("--name", help="Dataset of the store.")]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Or: folder with a sub-folder of pictures a category, named by its label."),
]
ModelReference = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="NAME, NAME@VERSION, or the folder of a bundle; see `trainer models`."
    ),
]
StoredReference = Annotated[
    str, typer.Argument(metavar="MODEL", help="NAME for the latest version, or NAME@VERSION.")
]


def labelled_pictures(
    name: str | None, data_dir: Path | None, *, vocabulary: dict[str, str], kind: Kind
) -> TrainingData:
    """The data of --name or --data-dir.

    Raises:
        UsageError: neither or both are given, or there is no such data.
        DatasetError: there is no picture.
    """
    if name is not None and data_dir is None:
        engine = open_store()
        try:
            return dataset_data(engine, name, ImageSettings.read().image_dir, kind)
        finally:
            engine.dispose()
    if data_dir is not None and name is None:
        return folder_data(data_dir, vocabulary)
    raise UsageError("Give either --name DATASET or --data-dir FOLDER.")


def open_model(reference: str) -> OpenModel:
    """The model that is meant: the folder of a bundle, or a name in the store.

    Raises:
        UsageError: there is no such model.
        ModelError: its bundle is missing, damaged, or not what was promoted.
    """
    folder = Path(reference)
    if (folder / DESCRIPTION).is_file():
        return open_bundle(folder)
    engine = open_store()
    try:
        return open_stored(engine, ModelSettings.read().model_dir, reference)
    finally:
        engine.dispose()
