"""Decisions that no page of ours asks for."""

import pytest

from tests.desk.caller import Caller
from tests.desk.museum import MAP, Museum
from tests.desk.served import ServedDesk

pytestmark = pytest.mark.timeout(600)


def test_a_decision_on_nothing_that_there_is_is_refused(filled: Museum, desk: ServedDesk) -> None:
    caller = Caller(desk)
    caller.get("/jobs/new")
    for fields in (
        {},
        {"decided": "x", "concept": MAP},
        {"decided": "blocked", "concept": "x"},
        {"decided": "blocked", "concept": MAP, "reason": "x" * 100_000},
        {"decided": "blocked", "concept": MAP, "provider": "x" * 2_000},
        {"decided": "refused", "provider": "x" * 2_000},
        {"decided": "refused"},
    ):
        answer = caller.post("/decisions", {"reason": "asked for"} | fields)
        assert answer.status_code == 400, fields
    for number in ("0", "x", "999999999", "9999999999", "²"):
        assert caller.post(f"/decisions/{number}/undo").status_code in (400, 404), number
    assert filled.rows("SELECT 1 FROM decision") == []
    assert "Traceback" not in desk.log()
