"""Why an export of a job has other numbers than its status."""

from common.store.decisions import block
from tests.worker.shelf import MAP, PAINTING, Shelf
from worker.exports.differences import differences
from worker.exports.selection import Selection

FAILED = """
    INSERT INTO job_failure (job_id, record_id, stage, reason)
    VALUES (:job, :record_id, 'fetch', 'not_found')
"""
RENAMED = "INSERT INTO record_alias (old_id, record_id) VALUES ('/1/old', :present)"


def test_there_is_nothing_to_tell_where_they_agree(shelf: Shelf) -> None:
    shelf.add("/1/a", MAP, 0.9)
    shelf.add("/1/elsewhere", MAP, 0.9)
    assert differences(shelf.engine, shelf.jobs["vases 1"]) == []


def test_what_an_earlier_job_found_of_failed_records_is_counted(shelf: Shelf) -> None:
    job = shelf.jobs["vases 1"]
    shelf.add("/1/a", MAP, 0.9)
    shelf.add("/1/B", MAP, 0.9)
    shelf.add("/1/B", PAINTING, 0.8)
    shelf.add("/1/B", MAP, 0.9, model="coins 1")
    shelf.execute(FAILED, job=job, record_id="/1/B")
    assert len(shelf.found(Selection(job=job))) == 3
    (told,) = differences(shelf.engine, job)
    assert told.startswith(
        "2 of these enrichments were found by an earlier job, and their records failed"
    )
    shelf.execute("INSERT INTO desk_user (name, role) VALUES ('ann', 'operator')")
    block(shelf.engine, MAP, data_provider=None, reason="too general", user_id=1)
    (told,) = differences(shelf.engine, job)
    assert told.startswith(
        "1 of these enrichments was found by an earlier job, and its record failed"
    )


def test_a_failed_record_is_known_by_its_former_id(shelf: Shelf) -> None:
    job = shelf.jobs["vases 1"]
    shelf.add("/1/present", MAP, 0.9)
    shelf.execute(RENAMED, present="/1/present")
    shelf.execute(FAILED, job=job, record_id="/1/old")
    (told,) = differences(shelf.engine, job)
    assert told.startswith("1 of these enrichments was found by an earlier job")


def test_a_record_that_was_enqueued_under_two_ids_is_told_of(shelf: Shelf) -> None:
    shelf.add("/1/a", MAP, 0.9)
    shelf.execute(RENAMED, present="/1/a")
    (told,) = differences(shelf.engine, shelf.jobs["vases 1"])
    assert told.startswith("1 record was enqueued twice, under a former ID and")
