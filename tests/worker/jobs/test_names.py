"""Names that users give: what Postgres cannot store is told before it is asked."""

import pytest

from common.errors import UsageError
from worker.jobs import JobOptions, RecordSelection
from worker.jobs.names import MAX_CONDITION, MAX_NAME, check_name


@pytest.mark.parametrize("name", [None, "a", "a" * MAX_NAME, "Musée d'Orsay", "博物館"])
def test_names_in_any_language_are_good(name: str | None) -> None:
    check_name(name, "name")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "The name is empty"),
        ("k" * 4000, r"The name 'k{40}'\.\.\. has 4,000 characters; 200 are allowed"),
        ("a\0", r"holds the character '\\x00'"),
        ("a\nb", r"holds the character '\\n'"),
        ("\x1b[31m", r"holds the character '\\x1b'"),
        ("a\udcff", r"holds the character '\\udcff'"),
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
    with pytest.raises(UsageError, match=r"holds the character '\\x00'"):
        RecordSelection(**{field: "a\0"})
