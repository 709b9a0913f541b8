"""Which enrichments are exported, and in which order."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from common.errors import UsageError
from common.store.decisions import block, consent, refuse, undo
from tests.worker.shelf import FULL, MAP, PAINTING, Shelf
from worker.exports import selection as selecting
from worker.exports.selection import Selection
from worker.exports.to_come import is_unfinished
from worker.jobs.prune import prune


def records(shelf: Shelf, selection: Selection) -> list[str]:
    return [row.record_id for row in shelf.found(selection)]


def test_a_job_has_what_its_model_says_of_its_records(shelf: Shelf) -> None:
    shelf.add("/1/a", MAP, 0.9)
    shelf.add("/1/a", MAP, 0.8, model="vases 2")
    shelf.add("/1/elsewhere", MAP, 0.9)
    (row,) = shelf.found(Selection(job=shelf.jobs["vases 1"]))
    assert row[:6] == ("/1/a", MAP, "map", 0.9, "vases v1", "media")
    assert (row.image_url, row.job) == (FULL, str(shelf.jobs["vases 1"]))
    assert row.written == datetime(2026, 11, 23, 22, tzinfo=UTC)


def test_a_job_has_what_an_earlier_job_of_its_model_found_out(shelf: Shelf) -> None:
    shelf.add("/1/a", MAP, 0.9)
    later = uuid4()
    shelf.execute(
        "INSERT INTO job (id, model_id, state, finished_at)"
        " SELECT :later, model_id, 'done', now() FROM job WHERE id = :job_id",
        later=later,
        job_id=shelf.jobs["vases 1"],
    )
    assert records(shelf, Selection(job=later)) == []
    shelf.execute(
        "INSERT INTO job_chunk (job_id, number, record_ids, state, settled_at, enriched)"
        " VALUES (:later, 1, '{/1/a}', 'done', now(), 1)",
        later=later,
    )
    assert records(shelf, Selection(job=later)) == ["/1/a"]


def test_a_job_that_is_pruned_meanwhile_is_exported_as_it_was(shelf: Shelf) -> None:
    shelf.add("/1/a", MAP, 0.9)
    is_pruned = False

    @event.listens_for(shelf.engine, "after_cursor_execute")
    def prune_once_it_was_checked(_: object, __: object, statement: str, *___: object) -> None:
        nonlocal is_pruned
        if "pruned_at" in statement and not is_pruned:
            is_pruned = True
            prune(shelf.engine, older_than=timedelta(0))

    assert records(shelf, Selection(job=shelf.jobs["vases 1"])) == ["/1/a"]
    with pytest.raises(UsageError, match="were removed on"):
        shelf.found(Selection(job=shelf.jobs["vases 1"]))


def test_records_asked_for_by_an_old_id_come_under_their_present_one(shelf: Shelf) -> None:
    shelf.add("/1/a", MAP, 0.9)
    shelf.add("/1/present", MAP, 0.9)
    shelf.execute("INSERT INTO record_alias (old_id, record_id) VALUES ('/1/old', '/1/present')")
    assert records(shelf, Selection(job=shelf.jobs["vases 1"])) == ["/1/a", "/1/present"]


def test_a_model_is_all_its_versions_or_one(shelf: Shelf) -> None:
    for model in ("vases 1", "vases 2", "coins 1"):
        shelf.add("/1/a", MAP, 0.9, model=model)
    shelf.add("/1/elsewhere", MAP, 0.9, model="vases 2")
    assert [row.model for row in shelf.found(Selection(model="vases"))] == [
        *("vases v1", "vases v2", "vases v2")
    ]
    assert records(shelf, Selection(model="vases", version=2)) == ["/1/a", "/1/elsewhere"]


def test_a_time_is_included_and_combines_with_a_model(shelf: Shelf) -> None:
    since = datetime(2026, 11, 23, 22, tzinfo=UTC)
    shelf.add("/1/before", MAP, 0.9, updated="2026-11-23T21:59:59.999999Z")
    shelf.add("/1/then", MAP, 0.9, updated="2026-11-23T23:00:00+01:00")
    shelf.add("/1/after", MAP, 0.9, updated="2026-11-24T00:00:00Z", model="coins 1")
    assert records(shelf, Selection(since=since)) == ["/1/after", "/1/then"]
    assert records(shelf, Selection(since=since, model="vases")) == ["/1/then"]


def test_the_order_is_by_bytes_and_confidence_whatever_the_order_of_writing(shelf: Shelf) -> None:
    shelf.add("/1/a", MAP, 0.7, model="vases 2")
    shelf.add("/1/a", MAP, 0.7)
    shelf.add("/1/a", PAINTING, 0.7)
    shelf.add("/1/a", PAINTING, 0.8, model="vases 2")
    shelf.add("/1/B", MAP, 0.1)
    rows = shelf.found(Selection(model="vases"))
    assert [(row.record_id, row.confidence, row.concept[-2:], row.model) for row in rows] == [
        ("/1/B", 0.1, "43", "vases v1"),
        ("/1/a", 0.8, "47", "vases v2"),
        ("/1/a", 0.7, "43", "vases v1"),
        ("/1/a", 0.7, "43", "vases v2"),
        ("/1/a", 0.7, "47", "vases v1"),
    ]


def test_no_address_carries_a_password_or_a_key(shelf: Shelf) -> None:
    shelf.add("/1/a", MAP, 0.9, image_url="https://me:secret@m.example/a?wskey=secret&page=2")
    (row,) = shelf.found(Selection(model="vases"))
    assert row.image_url == "https://m.example/a?page=2"


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(job=uuid4()), "no job"),
        (Selection(model="urns"), "no model urns"),
        (Selection(model="vases", version=7), "no version 7. It has 1, 2"),
    ],
)
def test_what_does_not_exist_is_named(shelf: Shelf, selection: Selection, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shelf.found(selection)


def test_rows_stream_from_a_cursor_of_the_server(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "ROWS_AT_ONCE", 2)
    for number in range(5):
        shelf.add(f"/1/r{number}", MAP, 0.9)
    with selecting.selected(shelf.engine, Selection(model="vases")) as rows:
        next(rows)
        with shelf.engine.connect() as other:
            declared = other.execute(
                text("SELECT query FROM pg_stat_activity WHERE state = 'idle in transaction'")
            )
            assert any("FETCH" in query for query in declared.scalars())
        assert len(list(rows)) == 4


def test_a_job_is_unfinished_until_it_is_done_or_cancelled(shelf: Shelf) -> None:
    job = shelf.jobs["coins 1"]
    assert not is_unfinished(shelf.engine, job)
    shelf.execute("UPDATE job SET state = 'paused', finished_at = NULL WHERE id = :id", id=job)
    assert is_unfinished(shelf.engine, job)


def test_what_is_blocked_is_left_out_and_counted_until_that_is_undone(shelf: Shelf) -> None:
    shelf.add("/1/a", MAP, 0.9)
    shelf.add("/1/a", PAINTING, 0.8)
    shelf.add("/1/B", MAP, 0.7)
    shelf.execute("UPDATE record SET data_provider = 'Louvre' WHERE id = '/1/B'")
    shelf.execute("INSERT INTO desk_user (name, role) VALUES ('ann', 'operator')")
    decided = block(shelf.engine, MAP, data_provider=None, reason="too general", user_id=1)
    assert found(shelf) == ([("/1/a", PAINTING)], 2)
    undo(shelf.engine, decided, user_id=1)
    assert found(shelf) == ([("/1/B", MAP), ("/1/a", MAP), ("/1/a", PAINTING)], 0)
    refuse(shelf.engine, "Louvre", reason="by letter", user_id=1)
    assert found(shelf) == ([("/1/a", MAP), ("/1/a", PAINTING)], 1)
    consent(shelf.engine, "Louvre", reason="by letter", user_id=1)
    assert found(shelf)[1] == 0


def found(shelf: Shelf) -> tuple[list[tuple[str, str]], int]:
    with selecting.selected(shelf.engine, Selection(model="vases")) as rows:
        return [(row.record_id, row.concept) for row in rows], rows.left_out


def test_a_sample_leaves_out_what_is_blocked(shelf: Shelf) -> None:
    job = shelf.jobs["vases 1"]
    for record_id, concept in (("/1/a", MAP), ("/1/a", PAINTING), ("/1/B", MAP)):
        shelf.add(record_id, concept, 0.9)
    shelf.execute(
        "INSERT INTO heatmap SELECT record_id, concept_uri, model_id, image_url, repeat('a', 64)"
        " FROM enrichment"
    )
    shelf.execute("INSERT INTO desk_user (name, role) VALUES ('ann', 'operator')")
    block(shelf.engine, MAP, data_provider=None, reason="too general", user_id=1)
    sample = selecting.draw_sample(shelf.engine, job, limit=9)
    assert [row.concept for row in sample.rows] == [PAINTING]
    assert (sample.total, sample.left_out) == (1, 2)
    block(shelf.engine, PAINTING, data_provider=None, reason="too general", user_id=1)
    with pytest.raises(UsageError, match="All 3 enrichments"):
        selecting.draw_sample(shelf.engine, job, limit=9)


def test_a_job_with_routes_has_of_each_record_what_the_routed_model_says(shelf: Shelf) -> None:
    job = shelf.jobs["vases 1"]
    shelf.execute(
        "UPDATE job SET routes = jsonb_build_object('Lou vre', model.id)"
        " FROM model WHERE model.name = 'vases' AND version = 2 AND job.id = :id",
        id=job,
    )
    for record_id in ("/1/a", "/1/B"):
        shelf.add(record_id, MAP, 0.9)
        shelf.add(record_id, PAINTING, 0.8, model="vases 2")
    spell = "UPDATE record SET data_provider = E'Lou\\nvre' WHERE id = '/1/B'"
    assert [row.model for row in shelf.found(Selection(job=job))] == ["vases v1", "vases v1"]
    shelf.execute(spell)
    found = [(row.record_id, row.model) for row in shelf.found(Selection(job=job))]
    assert found == [("/1/B", "vases v2"), ("/1/a", "vases v1")]
