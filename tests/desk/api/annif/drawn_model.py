"""A model of two concepts on an encoder that has seen the picture of one record."""

from pathlib import Path

import numpy as np

from tests.desk.desk_process import folders
from tests.desk.museum import MAP, PAINTING, Museum
from tests.worker.on_encoder import add_encoder, promote

KNOWN, NEW = "/1/known", "/1/new"


def drawn_model(museum: Museum, folder: Path) -> Path:
    """Add it in the folder of a desk's settings, with records of our museum; returns MODEL_DIR."""
    models = Path(folders(folder)["MODEL_DIR"])
    museum.records("Our museum", KNOWN, NEW)
    encoder = add_encoder(museum.engine, models)
    thresholds = {MAP: 0.0, PAINTING: None}
    promote(museum.engine, models, encoder, name="drawn", thresholds=thresholds)
    vector = np.random.default_rng(0).normal(size=encoder.dimension)
    museum.embed(encoder_of(museum), {KNOWN: vector})
    return models


def encoder_of(museum: Museum) -> int:
    ((number,),) = museum.rows("SELECT id FROM encoder WHERE name = 'drawn'")
    return number
