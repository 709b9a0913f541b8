"""Remove encoders while other processes read their embeddings. This module loads no torch."""

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

MOMENT = 0.2  # seconds that a removal waits for a lock, and that others wait for the removal
BETWEEN_TRIES = 0.5  # seconds in which others can read
PATIENCE = 10.0  # seconds until it stops trying


def remove(engine: Engine, model_dir: Path, name: str) -> StoredEncoder:
    """Remove an encoder, its embeddings and its files.

    It must wait for processes that read embeddings. While it waits, all others that begin to read
    wait too. So it waits only for a moment, and tries again.

    Raises:
        UsageError: there is no such encoder, or a model needs it.
        StoreError: another process was reading at each try.
    """
    deadline = time.monotonic() + PATIENCE
    while (encoder := _try_to_remove(engine, name)) is None:
        if time.monotonic() > deadline:
            raise StoreError(
                f"The encoder {name} cannot be removed now. Other processes, such as a "
                f"training, have been reading embeddings for {PATIENCE:.0f} seconds. The "
                "encoder is unchanged. When these processes have ended, run the command "
                "again."
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
