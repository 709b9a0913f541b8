"""Pictures are recognised by their bytes, a handful by one question; `test_pipeline_reading.py` has
which records are read."""

from collections.abc import Collection
from concurrent.futures import Future
from hashlib import sha256

import numpy as np
from sqlalchemy import Engine

from common.errors import RecordError
from common.fetch.client import Fetched
from common.fetch.download import FetchOutcome
from worker.enrich.batcher import Row
from worker.enrich.model_pool import EncoderInStore
from worker.enrich.seen import KnownPictures, SeenPictures

ENCODER = EncoderInStore(id=1, identity="0" * 64, dimension=3)
ROW = np.array([1, 0, 0], dtype=np.float16)


class Noting(SeenPictures):
    """Notes what it is asked; one picture is kept."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.asked: list[set[bytes]] = []

    def kept(self, encoder: EncoderInStore, pictures: Collection[bytes]) -> dict[bytes, Row]:
        assert super().kept(encoder, pictures) == {}
        self.asked.append(set(pictures))
        return {each: ROW for each in pictures if each == sha256(b"kept").digest()}


def fetched(key: str, content: bytes) -> FetchOutcome[str]:
    return FetchOutcome(key, Fetched(content, "image/jpeg", "http://m.example"))


def test_a_handful_is_one_question_and_nothing_is_asked_twice(engine: Engine) -> None:
    seen = Noting(engine)
    known: KnownPictures[str] = KnownPictures(seen, ENCODER)
    failed = FetchOutcome("f", RecordError("fetch", "not_found"))
    known.arrived([fetched("a", b"kept"), fetched("b", b"new"), fetched("c", b"new"), failed])
    kept, new = known.sha256_of("a"), known.sha256_of("b")
    row = known.row(kept)
    assert row is not None
    assert row.result() is ROW
    assert known.row(new) is None
    looking: Future[Row] = Future()
    known.add(new, looking)
    known.arrived([fetched("d", b"new"), fetched("e", b"kept")])
    assert known.row(known.sha256_of("d")) is looking
    assert seen.asked == [{kept, new}]
