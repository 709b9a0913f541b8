"""What the arguments of `worker export` mean."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from common.errors import UsageError
from worker.exports.asking import Asked, Format, read_arguments
from worker.exports.selection import Selection

JOB = uuid4()
TEN_PM = datetime(2026, 11, 23, 22, tzinfo=UTC)


def ask(
    *places: str,
    model: str | None = None,
    since: str | None = None,
    file_format: Format | None = None,
) -> Asked:
    return read_arguments(list(places), model=model, since=since, file_format=file_format)


def test_a_job_comes_before_the_file_and_standard_output_is_the_default() -> None:
    assert (ask("last").job, ask("last").file) == ("last", "-")
    assert (ask(str(JOB), "out.csv").job, ask(str(JOB), "out.csv").file) == (str(JOB), "out.csv")
    assert (ask("out.csv", since="2026-11-23").job, ask("out.csv").job) == (None, "out.csv")


@pytest.mark.parametrize(
    ("file", "asked", "expected"),
    [
        ("-", None, "csv"),
        ("-", "parquet", "parquet"),
        ("out", None, "csv"),
        ("out", "edm", "edm"),
        ("out.csv", None, "csv"),
        ("OUT.PARQUET", None, "parquet"),
        ("out.jsonl", None, "jsonld"),
        ("out.rdf", "edm", "edm"),
        ("out.txt", "csv", "csv"),
    ],
)
def test_the_name_of_the_file_says_the_format(
    file: str, asked: Format | None, expected: Format
) -> None:
    assert ask("last", file, file_format=asked).file_format == expected


@pytest.mark.parametrize(
    ("file", "asked", "message"),
    [
        ("out.parquet", "csv", "for the format parquet, but --format is csv"),
        ("out.txt", None, "shows no known format"),
        ("out.json", None, "shows no known format"),
    ],
)
def test_a_name_that_says_another_format_or_none_is_refused(
    file: str, asked: Format | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ask("last", file, file_format=asked)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vases", Selection(model="vases")),
        ("vases@2", Selection(model="vases", version=2)),
        ("vases@v2", Selection(model="vases", version=2)),
    ],
)
def test_a_model_has_a_version_behind_the_at_sign(
    engine: Engine, text: str, expected: Selection
) -> None:
    assert ask(model=text).selection(engine) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T22:00:00Z", TEN_PM),
        ("2026-11-23T23:00+01:00", TEN_PM),
        ("2026-11-23 22:00", TEN_PM),
        ("2026-11-23", TEN_PM - timedelta(hours=22)),
    ],
)
def test_times_are_iso_8601_and_utc_where_they_name_no_zone(
    engine: Engine, text: str, expected: datetime
) -> None:
    assert ask(since=text).selection(engine) == Selection(since=expected)
    both = ask(since=text, model="vases").selection(engine)
    assert both == Selection(model="vases", since=expected)


def test_a_time_asks_for_changes_in_edm_alone(engine: Engine) -> None:
    asked = ask("delta.rdf", since="2026-11-23T22:00Z", model="vases")
    assert asked.selection(engine) == Selection(changed_since=TEN_PM, model="vases")


@pytest.mark.parametrize(
    ("file", "file_format", "removed"),
    [
        ("out/delta.rdf", None, "out/delta.removed.rdf"),
        ("delta", "edm", "delta.removed"),
        ("-", "edm", None),
        ("delta.csv", None, None),
    ],
)
def test_changes_in_edm_have_a_second_file_beside_the_first(
    file: str, file_format: Format | None, removed: str | None
) -> None:
    more = [removed] if removed else []
    assert ask(file, since="2026-11-23", file_format=file_format).files == [file, *more]
    assert ask(file, model="vases", file_format=file_format).files == [file]


def test_a_job_that_nobody_knows_is_refused(engine: Engine) -> None:
    with pytest.raises(UsageError, match=r"'out.csv' is not the ID, prefix or name of a job"):
        ask("out.csv").selection(engine)


@pytest.mark.parametrize(
    ("places", "options", "message"),
    [
        ([], {}, "Choose what to export"),
        ([str(JOB)], {"model": "vases"}, "either a JOB, or --model"),
        ([str(JOB), "out.csv"], {"since": "2026-11-23"}, "either a JOB, or --model"),
        ([str(JOB), "a", "b"], {}, "one FILE, not 2: a b"),
        (["a", "b"], {"model": "vases"}, "either a JOB, or --model"),
        ([], {"model": "vases@new"}, "'vases@new' is not the name of a model"),
        ([], {"model": ""}, "'' is not the name of a model"),
        ([], {"since": "yesterday"}, "'yesterday' is not a time"),
        ([], {"since": ""}, "'' is not a time"),
        ([], {"since": "9999-12-31T23:59:59-23:59"}, "is out of range"),
        ([], {"since": "0001-01-01T00:00+01:00"}, "is out of range"),
    ],
)
def test_anything_else_is_refused_with_a_message(
    places: list[str], options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ask(*places, **options)
