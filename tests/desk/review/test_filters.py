from uuid import uuid4

import pytest

from common.errors import UsageError
from common.store.tables import Outcome
from desk.review.filters import JudgedState, ViewFilters, job_number

JOB = uuid4()


def test_no_filters_ask_for_nothing_and_leave_no_trace_in_the_address():
    assert ViewFilters.of({}) == ViewFilters()
    assert ViewFilters().address() == ""


def test_filters_come_back_from_their_address():
    from urllib.parse import parse_qsl

    filters = ViewFilters.of(
        {
            "job": str(JOB),
            "model": "vases@2",
            "provider": "Музей & Co.",
            "concept": "http://x.org/1?a=b",
            "outcome": "unlike",
            "judged": "disputed",
            "lowest": "25",
            "highest": "50,5",
        }
    )
    assert filters.outcome is Outcome.UNLIKE
    assert (filters.lowest, filters.highest) == (0.25, 0.505)
    assert filters.judged is JudgedState.DISPUTED
    assert ViewFilters.of(dict(parse_qsl(filters.address()))) == filters


def test_a_place_to_go_on_from_belongs_to_its_filters():
    filters = ViewFilters(provider="A museum", after="/1/a")
    assert "after" not in filters.address()
    assert "after=%2F1%2Fb" in filters.address(after="/1/b")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"job": "abc"}, "not the ID of a job"),
        ({"model": "../x"}, "not the name of a model"),
        ({"outcome": "lost"}, "must be one of"),
        ({"judged": "maybe"}, "must be one of"),
        ({"lowest": "much"}, "not a number"),
        ({"lowest": "nan"}, "from 0 to 100"),
        ({"highest": "101"}, "from 0 to 100"),
        ({"provider": "x" * 1_001}, "too long"),
        ({"provider": "x\0"}, "not a text"),
    ],
)
def test_a_malformed_filter_is_named(asked, words):
    with pytest.raises(UsageError, match=words):
        ViewFilters.of(asked)


def test_a_job_number_is_checked():
    assert job_number(str(JOB)) == JOB
