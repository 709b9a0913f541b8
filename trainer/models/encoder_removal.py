"""Removing encoders, beside processes that read their embeddings. This module loads no torch."""

import shutil
import time
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from common.errors import StoreError
from common.process.database_trouble import is_locked
from common.store.encoders import StoredEncoder, find_encoder, remove_encoder
from common.store.session import limit_lock_wait
from common.vision.encoders.description import ENCODERS

MOMENT = 0.2  # seconds that a removal waits for a lock, and that others wait behind it
BETWEEN_TRIES = 0.5  # seconds in which they read
PATIENCE = 10.0  # seconds, until it gives up


def remove(engine: Engine, model_dir: Path, name: str) -> StoredEncoder:
    """Remove an encoder, its embeddings and its files.

    A process that reads embeddings holds it up. While it waits for one, all others that begin to
    read wait too; so it waits for a moment only, and tries again.

    Raises:
        UsageError: there is no such encoder, or a model needs it.
        StoreError: there was a reader at each try.
    """
    deadline = time.monotonic() + PATIENCE
    while (encoder := _try_to_remove(engine, name)) is None:
        if time.monotonic() > deadline:
            raise StoreError(
                f"The encoder {name} cannot be removed now: for {PATIENCE:.0f} seconds other "
                "processes have been reading embeddings, as a training does. Nothing was changed. "
                "Run the same command again when they have ended."
            )
        time.sleep(BETWEEN_TRIES)
    shutil.rmtree(model_dir / ENCODERS / encoder.sha256, ignore_errors=True)
    return encoder


def _try_to_remove(engine: Engine, name: str) -> StoredEncoder | None:
    """Returns None if another process reads embeddings."""
    try:
        with engine.begin() as connection:
            limit_lock_wait(connection, MOMENT)
            encoder = find_encoder(connection, name)
            remove_encoder(connection, encoder)
            return encoder
    except OperationalError as error:
        if is_locked(error):
            return None
        raise
