"""How long the desk takes for the next ten records of a museum of 5,000 pictures."""

import hashlib
import statistics
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import requests

from benchmarks.parts.desk_service import desk_service, log_in
from benchmarks.parts.museums import URL, MuseumStore, add_seen
from common.store.bulk import copy_rows
from common.store.embeddings import keep_vectors
from common.vision.answers.heads import halved

RECORDS = 5_000
REQUESTS = 9


def page_seconds(place: MuseumStore, folder: Path) -> float:
    """The median of whole requests to a desk process on the store, after a first one."""
    model = place.museums[-1].base.stored
    asked = {"provider": _add_large(place), "model": f"{model.name}@{model.version}"}
    with desk_service(folder, uuid4()) as desk, requests.Session() as session:
        log_in(session, desk, 0)
        took = []
        for _ in range(1 + REQUESTS):
            before = time.perf_counter()
            answer = session.get(f"{desk.url}/teach/judge", params=asked, timeout=60)
            took.append(time.perf_counter() - before)
            answer.raise_for_status()
            assert answer.text.count('data-record="') == 10
    return statistics.median(took[1:])


def _add_large(place: MuseumStore) -> str:
    """Add a museum, each of its pictures between two of another one; returns its name."""
    known = place.museums[-1].embeddings.astype(np.float32)
    near, far = known[np.random.default_rng(0).integers(len(known), size=(2, RECORDS))]
    name, records = "A large museum", [f"/0/large{number}" for number in range(RECORDS)]
    pictures = {each: hashlib.sha256(each.encode()).digest() for each in records}
    with place.engine.begin() as connection:
        rows = ((each, name, URL.format(each)) for each in records)
        copy_rows(connection, "record", ("id", "data_provider", "media_url"), rows)
        kept = dict(zip(pictures.values(), halved(2 * near + far), strict=True))
        keep_vectors(connection, place.encoder.id, kept)
    add_seen(place.engine, pictures)
    return name
