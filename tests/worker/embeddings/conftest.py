"""Two encoders in the store, and what the first has seen: an arc of pictures, from /1/r00 on."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256

import numpy as np
import pytest
from sqlalchemy import Engine, text

from common.store.embeddings import Seen, keep_vectors, save_seen
from common.store.encoders import find_encoder, register_encoder
from common.store.tables import PictureSource

COUNT = 50
DIMENSION = 8


def digest(number: int) -> bytes:
    return sha256(bytes([number])).digest()


def vector(number: int) -> np.ndarray:
    """Each picture is two degrees from the one before it."""
    angle = np.deg2rad(2 * number)
    return np.array([np.cos(angle), np.sin(angle), *[0] * (DIMENSION - 2)], dtype=np.float16)


def url(number: int) -> str:
    return f"http://museum.example/{number}.jpg"


def seen(number: int, *, picture: int | None = None, source: str = "media") -> Seen:
    return Seen(
        record_id=f"/1/r{number:02}",
        source=PictureSource(source),
        url=url(number),
        sha256=digest(number if picture is None else picture),
        seen_at=datetime.now(UTC),
    )


@pytest.fixture
def arc(engine: Engine) -> Iterator[Engine]:
    with engine.begin() as connection:
        for name, letter in (("arc", "a"), ("empty", "b")):
            register_encoder(
                connection,
                name=name,
                sha256=64 * letter,
                network="timm:x",
                dimension=DIMENSION,
                licence="",
            )
        arc = find_encoder(connection, "arc").id
        keep_vectors(connection, arc, {digest(n): vector(n) for n in range(COUNT)})
        save_seen(connection, map(seen, range(COUNT)))
        connection.execute(
            text("INSERT INTO record (id, media_url, title) VALUES (:id, :url, :title)"),
            [{"id": f"/1/r{n:02}", "url": url(n), "title": f"picture {n}"} for n in range(COUNT)],
        )
    return engine
