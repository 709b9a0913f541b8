"""A client that submits a million record IDs, and the memory of the desk while it takes them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil
import requests
from sqlalchemy import Engine, text

from benchmarks.parts.desk_service import DeskService, desk_service
from benchmarks.parts.report import Bar, at_least, at_most
from common.store.tables import Role
from desk.access.tokens import add_token

MEGABYTE = 1 << 20
LOOK_EVERY = 0.02  # seconds between two looks at the memory

_MODEL = text("""
    INSERT INTO model (name, version, path, sha256, labels, thresholds, stage)
    VALUES ('m', 1, 'm', repeat('0', 64), '{}', '{}', 'active') ON CONFLICT DO NOTHING
""")


def submission_bars(ids: int) -> dict[str, Bar]:
    return {
        "text_submitted": at_least(ids),
        "text_seconds": at_most(20),
        "text_memory_mib": at_most(32),
        "json_submitted": at_least(ids),
        "json_seconds": at_most(20),
        "json_memory_mib": at_most(32),
    }


def submission_figures(engine: Engine, folder: Path, *, ids: int) -> dict[str, float]:
    """Submit a list as text and as JSON, after a tenth of it.

    Memory is the most that the desk had while it took the list, above what it had before.
    """
    with engine.begin() as connection:
        connection.execute(_MODEL)
    token = add_token(engine, "submits", role=Role.OPERATOR, expires_at=None, per_minute=1_000_000)
    with desk_service(folder, uuid4()) as desk:
        _submit(desk, token, folder, ids // 10, "text")  # a warm-up: what is loaded is loaded
        figures: dict[str, float] = {}
        for form in ("text", "json"):
            figures |= _submit(desk, token, folder, ids, form)
    return figures


def _submit(desk: DeskService, token: str, folder: Path, ids: int, form: str) -> dict[str, float]:
    path = folder / f"ids.{form}"
    _write(path, ids, form)
    kind = {"text": "text/plain", "json": "application/json"}[form]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind, "Idempotency-Key": form}
    headers["Idempotency-Key"] += str(ids)
    with path.open("rb") as body, _memory(desk.pid) as most:
        began = time.monotonic()
        answer = requests.post(f"{desk.url}/v1/jobs", data=body, headers=headers, timeout=300)
        took = time.monotonic() - began
    answer.raise_for_status()
    return {
        f"{form}_submitted": answer.json()["total"],
        f"{form}_seconds": round(took, 2),
        f"{form}_body_mib": round(path.stat().st_size / MEGABYTE, 1),
        f"{form}_memory_mib": round((max(most) - most[0]) / MEGABYTE, 1),
    }


def _write(path: Path, ids: int, form: str) -> None:
    """IDs as long as those of many museums."""
    before, between, after = ("", "\n", "\n") if form == "text" else ('["', '","', '"]')
    with path.open("w", encoding="utf-8") as file:
        file.write(before)
        for number in range(ids):
            file.write(between if number else "")
            file.write(f"/{number % 2000 + 1}/object_of_the_museum_{number:08d}")
        file.write(after)


@contextmanager
def _memory(pid: int) -> Iterator[list[int]]:
    """The bytes that a process has, looked up until the block ends."""
    process, ended = psutil.Process(pid), threading.Event()
    found = [process.memory_info().rss]

    def look() -> None:
        while not ended.wait(LOOK_EVERY):
            found.append(process.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        ended.set()
        looking.join()
