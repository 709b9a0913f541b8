"""An export says what is promised of it."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from common.errors import StoreError
from common.vision.answers.promise import Promise
from common.vision.answers.tally import BINS, Tally
from tests.worker.shelf import MAP, PAINTING, Shelf
from worker.exports.promises import UNKNOWN, ModelPromise, promises_of, told
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
    assert by_job == {"vases v1": ModelPromise(promise=PROMISE)}
    assert promises_of(engine, Selection(model="vases", version=1)) == by_job
    since = datetime(2020, 1, 1, tzinfo=UTC)
    assert promises_of(engine, Selection(since=since)) == by_job


def test_a_promise_that_nobody_knows_is_told_so(shelf: Shelf, engine: Engine) -> None:
    shelf.add("/1/a", MAP, 0.9)
    (line,) = told(promises_of(engine, Selection(job=shelf.jobs["vases 1"])))
    assert line == f"vases v1: {UNKNOWN}"
    promise(shelf, "vases", 1)
    (line,) = told(promises_of(engine, Selection(job=shelf.jobs["vases 1"])))
    assert "At least 90% of the pictures" in line
    assert "Museum A (300), Museum B (20)" in line


def certify(shelf: Shelf, *records: str, state: str = "closed") -> None:
    """An audit of maps that vases v1 had written by 2026-11-24, of which all were right."""
    shelf.execute(
        "INSERT INTO desk_user (name, role) VALUES (:name, 'reviewer')", name=",".join(records)
    )
    shelf.execute(
        "INSERT INTO audit (model_id, concept_uri, thresholds, rows, sample, attempt, error,"
        " drawn_by, drawn_at, state, ended_at, right_ones, precision)"
        " SELECT model.id, :map, '{}', :rows, :rows, 1, 0.025, desk_user.id, '2026-11-24',"
        " CAST(:state AS text), now(), CASE CAST(:state AS text) WHEN 'closed' THEN :rows END,"
        " CASE CAST(:state AS text) WHEN 'closed' THEN 1 END FROM model, desk_user"
        " WHERE model.name = 'vases' AND model.version = 1 AND desk_user.name = :user",
        **{"map": MAP, "rows": len(records), "state": state, "user": ",".join(records)},
    )
    shelf.execute(
        "INSERT INTO audit_block SELECT max(id), 1, :map, :records FROM audit",
        map=MAP,
        records=list(records),
    )


def test_a_certificate_is_told_of_the_rows_that_its_audit_froze(
    shelf: Shelf, engine: Engine
) -> None:
    for record_id in ("/1/a", "/1/z"):
        shelf.add(record_id, MAP, 0.9)
    certify(shelf, "/1/z")
    certify(shelf, "/1/a", state="abandoned")
    by_job = Selection(job=shelf.jobs["vases 1"])
    assert told(promises_of(engine, by_job)) == [f"vases v1: {UNKNOWN}"]
    certify(shelf, "/1/a", "/1/b")
    sentence = (
        "vases v1: Certificate of audit 3, for the enrichments that vases v1 had written by "
        "2026-11-24. Map enrichments of vases v1: 2 of all 2 were judged right (100 %)."
    )
    assert told(promises_of(engine, by_job)) == [sentence]
    (of_model,) = told(promises_of(engine, Selection(model="vases", version=1)))
    assert re.findall(r"of audit (\d)", of_model) == ["1", "3"]
    shelf.execute("UPDATE enrichment SET updated_at = '2026-11-30' WHERE record_id = '/1/z'")
    (lately,) = told(promises_of(engine, Selection(since=datetime(2026, 11, 29, tzinfo=UTC))))
    assert re.findall(r"of audit (\d)", lately) == ["1"]
    shelf.execute("UPDATE audit SET withdrawn_at = now(), withdrawn_because = 'x'")
    assert told(promises_of(engine, by_job)) == [f"vases v1: {UNKNOWN}"]


def test_a_damaged_promise_is_said(shelf: Shelf, engine: Engine) -> None:
    shelf.add("/1/a", MAP, 0.9)
    promise(shelf, "vases", 1)
    shelf.execute("UPDATE model SET promise = jsonb_set(promise, '{precision}', '7')")
    with pytest.raises(StoreError, match=r"promise of vases v1 .* is damaged: precision: .* less"):
        promises_of(engine, Selection(job=shelf.jobs["vases 1"]))


def test_each_row_says_what_is_promised_of_it(shelf: Shelf, engine: Engine) -> None:
    for record_id, provider in {"/1/a": "Museum A", "/1/b": "Museum C", "/1/c": "Museum C"}.items():
        shelf.add(record_id, MAP, 0.9)
        shelf.add(record_id, PAINTING, 0.7)
        shelf.execute(
            "UPDATE record SET data_provider = :provider, rights = 'http://r' WHERE id = :id",
            provider=provider,
            id=record_id,
        )
    promise(shelf, "vases", 1)
    shelf.execute(
        "UPDATE model SET thresholds = jsonb_build_object(CAST(:map AS text), 0.8)", map=MAP
    )
    certify(shelf, "/1/b", "/1/c")
    shelf.execute("UPDATE enrichment SET updated_at = '2026-11-25' WHERE record_id = '/1/c'")
    found = shelf.found(Selection(model="vases"))
    assert [(row.record_id, row.concept, row.promise, row.threshold) for row in found] == [
        ("/1/a", MAP, "model", 0.8),
        ("/1/a", PAINTING, "none", None),
        ("/1/b", MAP, "certificate", 0.8),
        ("/1/b", PAINTING, "none", None),
        ("/1/c", MAP, "none", 0.8),
        ("/1/c", PAINTING, "none", None),
    ]
    assert {(row.provider, row.rights) for row in found[:3]} == {
        ("Museum A", "http://r"), ("Museum C", "http://r"),
    }  # fmt: skip
