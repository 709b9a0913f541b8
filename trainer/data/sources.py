"""Training data read again, by another process, from where an experiment says it came."""

from pathlib import Path

from common.process.settings import ImageSettings
from common.store.session import open_store
from trainer.data.dataset import TrainingData, folder_data
from trainer.data.stored_data import dataset_data
from trainer.folds.experiment import DatasetSummary


def read_again(dataset: DatasetSummary) -> TrainingData:
    """The data of an experiment as it is now: of its dataset of the store, or of its folder.

    Raises:
        UsageError: there is no such dataset or folder here, or DATABASE_URL is missing.
        DatasetError: there is no picture.
        StoreError: the store cannot be reached.
    """
    where, _, name = dataset.source.partition(" ")
    if where == "folder":
        concepts = zip(dataset.categories, dataset.concept_uris, strict=True)
        return folder_data(Path(name), dict(concepts))
    engine = open_store()
    try:
        return dataset_data(engine, name, ImageSettings.read().image_dir, dataset.kind)
    finally:
        engine.dispose()
