"""An export says what is promised of it."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from common.errors import StoreError
from common.vision.answers.promise import Promise
from common.vision.answers.tally import BINS, Tally
from tests.worker.shelf import MAP, Shelf
from worker.exports.promises import UNKNOWN, promises_of, told
from worker.exports.selection import Selection

PROMISE = Promise(
    precision=0.9,
    confidence=0.95,
    providers={"Museum A": 300, "Museum B": 20},
    measured_on="own pictures",
    said=Tally(pictures=320, written=200, unlike=10, confidences=(0,) * (BINS - 1) + (310,)),
)


def promise(shelf: Shelf, name: str, version: int) -> None:
    shelf.execute(
        "UPDATE model SET promise = CAST(:promise AS jsonb) WHERE name = :name AND version = :v",
        promise=json.dumps(asdict(PROMISE)),
        name=name,
        v=version,
    )


def test_each_way_to_select_tells_the_promises_of_its_models(shelf: Shelf, engine: Engine) -> None:
    shelf.add("/1/a", MAP, 0.9)
    promise(shelf, "vases", 1)
    by_job = promises_of(engine, Selection(job=shelf.jobs["vases 1"]))
    assert by_job == {"vases v1": PROMISE}
    assert promises_of(engine, Selection(model="vases", version=1)) == by_job
    since = datetime(2020, 1, 1, tzinfo=UTC)
    assert promises_of(engine, Selection(since=since)) == by_job


def test_a_promise_that_nobody_knows_is_told_so(shelf: Shelf, engine: Engine) -> None:
    shelf.add("/1/a", MAP, 0.9)
    (line,) = told(promises_of(engine, Selection(job=shelf.jobs["vases 1"])))
    assert line == f"vases v1: {UNKNOWN}"
    promise(shelf, "vases", 1)
    (line,) = told(promises_of(engine, Selection(job=shelf.jobs["vases 1"])))
    assert "at least 90% show it" in line
    assert "Museum A (300), Museum B (20)" in line


def test_a_damaged_promise_is_said(shelf: Shelf, engine: Engine) -> None:
    shelf.add("/1/a", MAP, 0.9)
    promise(shelf, "vases", 1)
    shelf.execute("UPDATE model SET promise = jsonb_set(promise, '{precision}', '7')")
    with pytest.raises(StoreError, match=r"promise of vases v1 .* is damaged: precision: .* less"):
        promises_of(engine, Selection(job=shelf.jobs["vases 1"]))
