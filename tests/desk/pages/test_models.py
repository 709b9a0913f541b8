"""The list of models, and the page of one."""

import json

import pytest
from playwright.sync_api import expect

from common.store.in_service import begin_service, retire
from desk.pages.models import promise_in_words
from tests.desk.caller import Caller
from tests.desk.conftest import OURS
from tests.desk.museum import MAP
from tests.desk.visiting import visiting

pytestmark = pytest.mark.timeout(600)

PROMISE = {
    "precision": 0.9,
    "confidence": 0.95,
    "providers": {"A museum": 120},
    "measured_on": "own pictures",
    "said": {"pictures": 1, "written": 1, "unlike": 0, "confidences": [0] * 9 + [1]},
}


def test_a_promise_is_told_in_sentences():
    assert "At least 90%" in promise_in_words(PROMISE)[0]
    assert promise_in_words(None) == [
        "This model has no promise. To get a guarantee, run an audit."
    ]
    assert "cannot read" in promise_in_words({"precision": 2})[0]


def test_a_model_tells_promise_concepts_and_whom_it_served(filled, desk, visit):
    filled.execute("UPDATE model SET promise = CAST(:p AS jsonb)", p=json.dumps(PROMISE))
    filled.execute("UPDATE model SET promoted_by = 'an operator'")
    filled.execute(
        "UPDATE model SET thresholds = jsonb_build_object(CAST(:uri AS text), 0.6)", uri=MAP
    )
    filled.execute(
        "INSERT INTO service (model_id, data_provider) VALUES (:id, 'A museum')",
        id=filled.the_model,
    )
    visit.page.goto(desk.url + "/models")
    assert "A museum" in visit.page.locator("tbody").last.inner_text()
    visit.page.get_by_role("link", name="test v1").click()
    visit.page.get_by_role("heading", name="test v1").wait_for()
    text = visit.page.locator("main").inner_text()
    for words in ("At least 90%", "an operator", "60.0\N{NO-BREAK SPACE}%", "off", "A museum"):
        assert words in text
    assert visit.problems == []


def test_what_was_replaced_is_not_serving_and_what_somebody_retired_is_retired(filled, desk, visit):
    others = [filled.model("other"), filled.model("old")]
    with filled.engine.begin() as connection:
        for model_id in (*others, filled.the_model):
            begin_service(connection, model_id)
        retire(connection, others[1])
    visit.page.goto(desk.url + "/models")
    serves = {
        row.split()[0]: row for row in visit.page.locator("tbody").last.inner_text().splitlines()
    }
    assert "all records" in serves["test"]
    assert "not serving" in serves["other"]
    assert "retired since" in serves["old"]
    visit.page.goto(desk.url + "/models/old@1")
    expect(visit.page.get_by_text("Its certificates are withdrawn")).to_be_visible()
    expect(visit.page.get_by_role("button", name="Put it in service for all")).to_be_visible()
    visit.page.goto(desk.url + "/prove?model=other@1")
    expect(visit.page.get_by_text("has written no such enrichments")).to_be_visible()
    visit.page.goto(desk.url + "/prove?model=old@1")
    expect(visit.page.get_by_text("you cannot audit it")).to_be_visible()


def test_a_model_that_is_not_there_is_told(filled, desk, visit):
    assert visit.page.goto(desk.url + "/models/none@3").status == 404


def test_a_model_without_its_files_is_not_put_in_service(filled, desk, visit):
    filled.model("other")
    visit.page.goto(desk.url + "/models/other@1")
    visit.page.get_by_role("button", name="Put it in service").click()
    expect(visit.page.get_by_text("New jobs will use other v1")).to_be_visible()
    visit.page.get_by_role("button", name="Put other v1 in service for all records").click()
    expect(visit.page.get_by_text("other v1 cannot serve").first).to_be_visible()
    assert filled.rows("SELECT name FROM model WHERE stage = 'active'") == [("test",)]


def test_a_model_without_its_files_is_not_gone_back_to(filled, desk, visit):
    other = filled.model("other")
    filled.execute("UPDATE service SET ended_at = now()")
    filled.execute("INSERT INTO service (model_id) VALUES (:model)", model=filled.the_model)
    filled.execute("UPDATE service SET ended_at = now()")
    filled.execute("INSERT INTO service (model_id) VALUES (:model)", model=other)
    visit.page.goto(desk.url + "/models")
    visit.page.get_by_text("Go back to the previous model").first.click()
    visit.page.get_by_role("button", name="Go back").first.click()
    visit.page.get_by_text("cannot serve").wait_for()
    standing = "SELECT model_id FROM service WHERE ended_at IS NULL"
    assert filled.rows(standing) == [(other,)]


def test_nobody_goes_back_from_another_model_than_the_page_showed(filled, desk, visit):
    filled.execute("INSERT INTO service (model_id) VALUES (:model)", model=filled.the_model)
    filled.execute(
        "INSERT INTO service (model_id, data_provider) VALUES (:model, :ours)",
        model=filled.the_model,
        ours=OURS,
    )
    standing = "SELECT data_provider FROM service WHERE ended_at IS NULL ORDER BY id"
    other = Caller(desk)
    other.get("/models")
    before = {"provider": OURS, "serving": str(filled.the_model + 1)}
    assert "have already changed" in other.post("/models/back", before).text
    assert other.post("/models/back", {"provider": OURS}).status_code == 400
    assert filled.rows(standing) == [(None,), (OURS,)]
    visit.page.goto(desk.url + "/models")
    visit.page.get_by_text("Go back to the previous model").last.click()
    visit.page.get_by_role("button", name="Go back").last.click()
    visit.page.get_by_text("The model for all records serves the records of").wait_for()
    assert filled.rows(standing) == [(None,)]


def test_on_a_telephone_the_concepts_stand_beside_their_thresholds(filled, desk, browser):
    """A table of three short columns needs no moving sideways."""
    with visiting(browser, width=400) as visit:
        visit.page.goto(f"{desk.url}/models/test@1")
        table = visit.page.locator(".scroll:has(> table.slim)")
        assert table.evaluate("table => table.scrollWidth - table.clientWidth") <= 0
