"""Accepting lists of record IDs."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from common.errors import ModelError, UsageError
from common.pictures.sources import PictureKinds
from tests.worker.ledger_rows import claim, finish
from worker import jobs
from worker.jobs import JobOptions, RecordSelection, Unpromised


def test_records_are_dealt_into_chunks(engine: Engine, model_id: int) -> None:
    accepted = jobs.enqueue(engine, (f"/9/r{n}" for n in range(1000)))
    with engine.connect() as connection:
        sizes = connection.execute(
            text("SELECT cardinality(record_ids) FROM job_chunk ORDER BY number")
        )
        assert list(sizes.scalars()) == [256, 256, 256, 232]
    status = jobs.status(engine, accepted.job_id)
    assert (accepted.total, status.total, status.waiting) == (1000, 1000, 1000)


def test_neighbours_in_the_list_go_to_different_chunks(engine: Engine, model_id: int) -> None:
    jobs.enqueue(engine, (f"/museum{n // 256}/r{n}" for n in range(1024)))
    with engine.connect() as connection:
        museums = connection.execute(
            text(
                "SELECT count(DISTINCT split_part(id, '/', 2)) FROM job_chunk,"
                " unnest(record_ids) AS id GROUP BY number"
            )
        )
        assert list(museums.scalars()) == [4, 4, 4, 4]


def test_duplicates_are_left_out_and_counted(engine: Engine, model_id: int) -> None:
    accepted = jobs.enqueue(engine, ["/1/a", "/1/b", "/1/a", "/1/a"])
    assert (accepted.total, accepted.duplicates) == (2, 2)


def test_the_same_idempotency_key_makes_one_job(engine: Engine, model_id: int) -> None:
    first = jobs.enqueue(engine, ["/1/a", "/1/b"], JobOptions(idempotency_key="monday"))
    again = jobs.enqueue(engine, ["/1/a", "/1/b"], JobOptions(idempotency_key="monday"))
    assert again.already_known
    assert (again.job_id, again.total) == (first.job_id, 2)


def test_bulk_jobs_look_at_thumbnails_and_urgent_ones_at_files(
    engine: Engine, model_id: int
) -> None:
    asked = {
        "thumbnail": JobOptions(),
        "auto": JobOptions(priority="urgent"),
        "media": JobOptions(priority="urgent", picture="media"),
    }
    for looks_at, options in asked.items():
        accepted = jobs.enqueue(engine, ["/1/a"], options)
        assert accepted.pictures.looks_at == looks_at
        assert jobs.preview(engine, ["/1/a"], options).pictures == accepted.pictures
        with engine.connect() as connection:
            stored = text("SELECT picture FROM job WHERE id = :job_id")
            found = connection.execute(stored, {"job_id": accepted.job_id}).scalar_one()
        assert found == looks_at


@pytest.mark.parametrize(
    ("trained_on", "differs"),
    [("media", True), ("thumbnail", False), ("mixed", False), ("folder", False), (None, False)],
)
def test_a_job_tells_whether_its_model_was_trained_on_other_pictures(
    engine: Engine, model_id: int, trained_on: str | None, differs: bool
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET picture_source = :s"), {"s": trained_on})
    options = JobOptions(idempotency_key="monday")
    for accepted in (jobs.enqueue(engine, ["/1/a"], options) for _ in range(2)):
        assert (accepted.pictures.trained_on, accepted.pictures.differ) == (trained_on, differs)


def test_a_list_that_breaks_off_leaves_no_job(engine: Engine, model_id: int) -> None:
    def broken() -> Iterator[str]:
        yield "/1/a"
        raise UsageError("line 2")

    with pytest.raises(UsageError, match="line 2"):
        jobs.enqueue(engine, broken())
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM job")).scalar_one() == 0


def test_an_empty_list_is_refused(engine: Engine, model_id: int) -> None:
    with pytest.raises(UsageError, match="no record to enqueue"):
        jobs.enqueue(engine, [])


def test_without_an_active_model_nothing_is_accepted(engine: Engine) -> None:
    with pytest.raises(ModelError, match="trainer promote"):
        jobs.enqueue(engine, ["/1/a"])


def test_texts_are_brought_to_the_form_of_an_id_or_refused(engine: Engine, model_id: int) -> None:
    accepted = jobs.enqueue(engine, ["/1/a", "http://data.europeana.eu/item/1/a"])
    assert (accepted.total, accepted.duplicates) == (1, 1)
    with pytest.raises(UsageError, match="'nonsense' is not a record ID"):
        jobs.enqueue(engine, ["/1/b", "nonsense"])


@pytest.mark.parametrize(("name", "version"), [("maps@2", 2), ("maps@1", 1)])
def test_another_model_can_be_named(engine: Engine, model_id: int, name: str, version: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO model (name, version, path, sha256, labels, thresholds)
                SELECT 'maps', n, 'maps-' || n, repeat(CAST(n AS text), 64), '{}', '{}'
                FROM generate_series(1, 2) AS n
            """)
        )
    accepted = jobs.enqueue(engine, ["/1/a"], JobOptions(model=name))
    assert jobs.status(engine, accepted.job_id).model == f"maps v{version}"


def test_an_unknown_model_is_refused(engine: Engine, model_id: int) -> None:
    with pytest.raises(UsageError, match="no model maps"):
        jobs.enqueue(engine, ["/1/a"], JobOptions(model="maps"))


def test_what_the_model_has_seen_is_left_out(
    engine: Engine, model_id: int, records: list[str]
) -> None:
    first = jobs.enqueue(engine, records[:10])
    seen = claim(engine, first.job_id, 1)
    failed = seen.record_ids[0]
    finish(engine, seen, failed={failed: "not_found"})
    waiting = jobs.enqueue(engine, records[10:20])
    given_up = jobs.enqueue(engine, records[20:30])
    jobs.cancel(engine, given_up.job_id)
    accepted = jobs.enqueue(engine, records, JobOptions(unseen=True))
    assert (accepted.total, accepted.seen) == (600 - 9 - 10, 9 + 10)
    assert failed in record_ids(engine, accepted)
    assert not record_ids(engine, accepted) & record_ids(engine, waiting)


def record_ids(engine: Engine, accepted: jobs.Accepted) -> set[str]:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT unnest(record_ids) FROM job_chunk WHERE job_id = :job_id"),
            {"job_id": accepted.job_id},
        )
        return set(found.scalars())


def test_a_record_that_has_moved_was_seen_by_either_id(
    engine: Engine, model_id: int, records: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO record_alias VALUES ('/0/old', :present)"), {"present": records[0]}
        )
    jobs.enqueue(engine, ["/0/old"])
    with pytest.raises(UsageError, match="seen all records"):
        jobs.enqueue(engine, [records[0], "/0/old"], JobOptions(unseen=True))


def test_a_preview_counts_and_writes_nothing(
    engine: Engine, model_id: int, records: list[str]
) -> None:
    jobs.enqueue(engine, records[:5])
    asked = [*records[:300], *records[:7], "/1/unknown"]
    preview = jobs.preview(engine, asked, JobOptions(unseen=True, idempotency_key="monday"))
    assert preview == jobs.Preview(
        model="test v1",
        pictures=PictureKinds(looks_at="thumbnail", trained_on=None),
        total=296,
        chunks=2,
        duplicates=2,
        seen=10,
        unknown=1,
        unpromised=[Unpromised(models=("test v1",), data_providers={}, counted=0, is_sample=False)],
    )
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM job")).scalar_one() == 1


def test_a_preview_refuses_what_would_be_refused(engine: Engine, model_id: int) -> None:
    with pytest.raises(UsageError, match="no record to enqueue"):
        jobs.preview(engine, [])


def test_a_selection_of_the_store_becomes_a_job(
    engine: Engine, model_id: int, records: list[str]
) -> None:
    assert jobs.enqueue(engine, RecordSelection()).total == 600
