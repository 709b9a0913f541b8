"""Names that users give: what Postgres cannot store is told before it is asked."""

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from worker import jobs
from worker.jobs import JobOptions, RecordSelection, find_job
from worker.jobs.names import MAX_CONDITION, MAX_NAME, check_name


@pytest.mark.parametrize("name", [None, "a", "a" * MAX_NAME, "Musée d'Orsay", "博物館"])
def test_names_in_any_language_are_good(name: str | None) -> None:
    check_name(name, "name")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "The name is empty"),
        (
            "k" * 4000,
            r"The name 'k{40}'\.\.\. has 4,000 characters. It must not have more than 200",
        ),
        ("a\0", r"contains the character '\\x00'"),
        ("a\nb", r"contains the character '\\n'"),
        ("\x1b[31m", r"contains the character '\\x1b'"),
        ("a\udcff", r"contains the character '\\udcff'"),
    ],
)
def test_others_are_refused_with_a_message(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_name(name, "name")


@pytest.mark.parametrize("field", ["submitter", "idempotency_key"])
def test_a_job_checks_its_names(field: str) -> None:
    with pytest.raises(UsageError, match=field.replace("_", " ")):
        JobOptions(**{field: "a" * (MAX_NAME + 1)})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["dataset", "data_provider", "concept"])
def test_a_selection_checks_its_names(field: str) -> None:
    RecordSelection(**{field: "a" * MAX_CONDITION})
    with pytest.raises(UsageError, match=r"contains the character '\\x00'"):
        RecordSelection(**{field: "a\0"})


@pytest.mark.parametrize(
    "name", ["last", "0b7f4c0e-6d0c-4a7e-9d0e-2f1f0a1c9b52", "-x", " maps", ""]
)
def test_a_job_has_no_name_that_means_something_else(name: str) -> None:
    with pytest.raises(UsageError):
        JobOptions(name=name)


@pytest.fixture
def _three_jobs(engine: Engine, model_id: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO job (id, name, model_id, state, created_at, finished_at) VALUES
                ('aaaa1111-0000-4000-8000-000000000001', 'maps', :model_id, 'running',
                 now() - interval '3 hours', NULL),
                ('aaaa2222-0000-4000-8000-000000000002', 'maps', :model_id, 'done',
                 now() - interval '2 hours', now()),
                ('bbbb1111-0000-4000-8000-000000000003', 'aaaa', :model_id, 'done',
                 now() - interval '1 hour', now())
            """),
            {"model_id": model_id},
        )


@pytest.mark.usefixtures("_three_jobs")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aaaa1111-0000-4000-8000-000000000001", "1"),
        ("AAAA1111", "1"),
        ("aaaa2222-00", "2"),
        ("bbbb", "3"),
        ("last", "3"),
        ("maps", "1"),  # the other one is done
        ("aaaa", "3"),  # a name goes before the start of an ID
    ],
)
def test_a_job_is_found_by_id_start_name_or_as_the_last(
    engine: Engine, text: str, expected: str
) -> None:
    assert str(find_job(engine, text)).endswith(expected)


@pytest.mark.usefixtures("_three_jobs")
@pytest.mark.parametrize(
    "text",
    ["bbb", "cccc", "b-bbb", "urns", "", "a\0", "zzzz1111", "%", "bbbb1111-0000-4000-8000-9"],
)
def test_what_names_no_job_is_refused(engine: Engine, text: str) -> None:
    with pytest.raises(
        UsageError, match=r"is not the ID, prefix or name of a job\..* List jobs: worker jobs"
    ):
        find_job(engine, text)


@pytest.mark.usefixtures("_three_jobs")
def test_of_a_start_that_is_too_short_the_least_is_said(engine: Engine) -> None:
    with pytest.raises(
        UsageError, match="prefix or name of a job. A prefix has at least 4 characters."
    ):
        find_job(engine, "bbb")


@pytest.mark.usefixtures("_three_jobs")
def test_a_start_of_several_ids_lists_them(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE job SET name = NULL WHERE name = 'aaaa'"))
    with pytest.raises(UsageError, match=r"(?s)'aaaa' fits 2 jobs.*aaaa2222.*done.*aaaa1111.*maps"):
        find_job(engine, "aaaa")


@pytest.mark.usefixtures("_three_jobs")
def test_a_name_is_free_again_once_its_job_is_over(engine: Engine) -> None:
    options = JobOptions(name="maps")
    with pytest.raises(UsageError, match=r"has the name 'maps' and is running: aaaa1111"):
        jobs.enqueue(engine, ["/1/a"], options)
    with engine.begin() as connection:
        connection.execute(text("UPDATE job SET state = 'done', finished_at = now()"))
    assert find_job(engine, "maps") != (again := jobs.enqueue(engine, ["/1/a"], options).job_id)
    assert find_job(engine, "maps") == again


def test_without_a_job_there_is_no_last_one(engine: Engine) -> None:
    with pytest.raises(UsageError, match="There is no job yet"):
        find_job(engine, "last")
