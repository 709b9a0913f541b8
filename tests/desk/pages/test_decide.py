"""Decisions in a real browser, and what becomes of an export."""

from pathlib import Path

import pytest
from playwright.sync_api import expect
from typer.testing import CliRunner

from common.store.decisions import block, refuse
from tests.desk.conftest import OURS, RECORDS, THEIRS
from tests.desk.museum import MAP, Museum
from tests.desk.visiting import Visit, visiting
from worker.cli import app

pytestmark = pytest.mark.timeout(600)

SCRIPT = '<script>window.taken = 1</script><img src=x onerror="window.taken = 1">'
STANDING = "SELECT decided, data_provider, concept_uri FROM decision WHERE undone_at IS NULL"
OP, REVIEWER, VI = "an operator", "a reviewer", "a viewer"


@pytest.fixture(autouse=True)
def accounts(filled: Museum) -> None:
    for name, role in ((OP, "operator"), (REVIEWER, "reviewer"), (VI, "viewer")):
        filled.user(name, role)


def exported(filled: Museum, folder: Path) -> set[tuple[str, str]]:
    """Records with concepts in an export of the job."""
    file = folder / "export.csv"
    job = str(filled.the_job)  # type: ignore[attr-defined]
    assert CliRunner().invoke(app, ["export", job, str(file), "--force"]).exit_code == 0
    text = file.read_text(encoding="utf-8-sig")
    return {(record, uri) for record in RECORDS for uri in (MAP,) if _has(text, record, uri)}


def _has(text: str, record: str, uri: str) -> bool:
    return any(record in line and uri in line for line in text.splitlines())


def decide(visit: Visit, button: str, panel: str, reason: str) -> None:
    place = visit.page.get_by_role("region", name=panel)
    place.get_by_label("Reason").fill(reason)
    place.get_by_role("button", name=button).click()
    visit.page.get_by_role("status").first.wait_for()


def test_a_block_and_its_undoing_are_seen_in_an_export(filled, desk, visit, tmp_path):
    before = exported(filled, tmp_path)
    assert {record for record, _ in before} == {RECORDS[0], RECORDS[3], RECORDS[6]}
    visit.log_in(desk.url, OP)
    visit.page.goto(f"{desk.url}/see?concept={MAP}&provider={OURS}")
    visit.page.get_by_role("link", name=f"Block this concept for {OURS}").click()
    decide(visit, "Block", "Block a concept", "Too general for us.")
    assert exported(filled, tmp_path) == {(RECORDS[6], MAP)}  # the only one of their museum
    standing = visit.page.get_by_role("region", name="Decisions that apply")
    for words in (f"map is blocked for {OURS}", "Too general for us.", OP):
        expect(standing).to_contain_text(words)
    visit.page.get_by_role("button", name="Undo").click()
    undone = visit.page.get_by_role("region", name="Undone decisions")
    expect(undone).to_contain_text(f"map was blocked for {OURS}")
    expect(undone).to_contain_text(f"undone by {OP}")
    assert exported(filled, tmp_path) == before
    assert visit.problems == []


def test_a_provider_refuses_and_then_consents(filled, desk, visit, tmp_path):
    visit.log_in(desk.url, OP)
    visit.page.goto(f"{desk.url}/see?provider={THEIRS}")
    visit.page.get_by_role("link", name="Decide about this provider").click()
    decide(visit, "It refuses", "Refusal or consent", "A letter.")
    assert filled.rows(STANDING) == [("refused", THEIRS, None)]
    assert RECORDS[6] not in {record for record, _ in exported(filled, tmp_path)}
    visit.page.goto(f"{desk.url}/decide?provider={THEIRS}")
    decide(visit, "It consents", "Refusal or consent", "Another letter.")
    assert filled.rows(STANDING) == [("consented", THEIRS, None)]
    assert RECORDS[6] in {record for record, _ in exported(filled, tmp_path)}


def test_a_name_without_records_is_asked_about_once(filled, desk, visit):
    visit.log_in(desk.url, OP)
    visit.page.goto(f"{desk.url}/decide?provider=Our++musuem")
    place = visit.page.get_by_role("region", name="Refusal or consent")
    place.get_by_label("Reason").fill("A letter.\nAnd another.")
    place.get_by_role("button", name="It refuses").click()
    visit.page.get_by_text("no record of the data provider 'Our musuem'").wait_for()
    visit.page.get_by_text("Did you mean: Our museum").wait_for()
    assert filled.rows(STANDING) == []
    visit.page.get_by_role("button", name="Go back").click()
    visit.page.get_by_text("The desk did not act.").wait_for()
    assert place.get_by_label("Reason").input_value() == "A letter.\nAnd another."
    place.get_by_role("button", name="It refuses").click()
    visit.page.get_by_role("button", name="Save it under this name").click()
    visit.page.get_by_text("Saved.").wait_for()
    assert filled.rows(STANDING) == [("refused", "Our musuem", None)]


def test_a_second_decision_says_what_held_before(filled, desk, visit):
    visit.log_in(desk.url, OP)
    visit.page.goto(f"{desk.url}/decide?provider={THEIRS}")
    decide(visit, "It refuses", "Refusal or consent", "A letter.")
    decide(visit, "It refuses", "Refusal or consent", "Another.")
    told = visit.page.get_by_role("status").first
    expect(told).to_contain_text("No change was needed")
    expect(told).to_contain_text("A letter.")
    decide(visit, "It consents", "Refusal or consent", "They changed their mind.")
    expect(told).to_contain_text(f"It replaces this decision: {THEIRS} has refused")
    expect(told).to_contain_text("A letter.")


def test_what_is_wrong_stands_beside_its_field_and_the_form_stays(filled, desk, visit):
    visit.log_in(desk.url, OP)
    visit.page.goto(f"{desk.url}/decide")
    place = visit.page.get_by_role("region", name="Block a concept")
    place.get_by_label("Concept").select_option("map")
    place.get_by_label("Data provider").fill(OURS)
    place.get_by_label("Reason").fill(" ")
    place.get_by_role("button", name="Block").click()
    expect(place.locator("label", has_text="Reason").get_by_role("alert")).to_have_text(
        "The reason is empty. Give a reason."
    )
    assert place.get_by_label("Concept").input_value() == MAP
    assert place.get_by_label("Data provider").input_value() == OURS
    expect(visit.page.get_by_role("alert")).to_have_count(1)


@pytest.mark.parametrize("who", [REVIEWER, VI])
def test_others_see_decisions_and_make_none(filled, desk, visit, who):
    number = block(
        filled.engine, MAP, data_provider=None, reason="Too general", user_id=filled.users[OP]
    )
    visit.log_in(desk.url, who)
    visit.page.goto(f"{desk.url}/see?concept={MAP}")
    expect(visit.page.get_by_role("link", name="Block this concept")).to_have_count(0)
    visit.page.goto(f"{desk.url}/decide")
    expect(visit.page.get_by_text("map is blocked for all data providers")).to_be_visible()
    expect(visit.page.locator("main form")).to_have_count(0)
    form = {"decided": "blocked", "concept": MAP, "provider": OURS, "reason": "why"}
    assert visit.send("/decisions", **form).status == 403
    assert visit.send(f"/decisions/{number}/undo").status == 403
    assert filled.rows(STANDING) == [("blocked", None, MAP)]


def test_a_wrong_form_decides_nothing_and_says_why(filled, desk, visit):
    visit.log_in(desk.url, OP)
    right = {"decided": "blocked", "concept": MAP, "provider": OURS, "reason": "why"}
    for changed, words in (
        ({"decided": "forgotten"}, "it must be one of"),
        ({"reason": " "}, "The reason is empty"),
        ({"reason": "x" * 2_001}, "2,000 are allowed"),
        ({"concept": "http://x.org/none"}, "There is no concept"),
        ({"provider": "\x01"}, "not the name of a data provider"),
        ({"decided": "refused", "provider": ""}, "Give the name of the data provider"),
    ):
        answer = visit.send("/decisions", **(right | changed))
        assert answer.status == 400
        assert words in answer.text
    assert filled.rows(STANDING) == []


def test_to_undo_twice_is_to_undo_once(filled, desk, visit):
    number = block(filled.engine, MAP, data_provider=None, reason="x", user_id=filled.users[OP])
    visit.log_in(desk.url, OP)
    assert "Undone." in visit.send(f"/decisions/{number}/undo").text
    assert "This decision was undone before." in visit.send(f"/decisions/{number}/undo").text
    assert visit.send("/decisions/x/undo").status == 404
    assert visit.send("/decisions/99/undo").status == 400
    assert filled.rows(STANDING) == []


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_is_usable_by_all_and_runs_no_script_of_others(filled, desk, browser, width):
    who = filled.users[OP]
    filled.execute("UPDATE concept SET label = :name WHERE uri = :uri", name=SCRIPT, uri=MAP)
    block(filled.engine, MAP, data_provider="Κεραμικόαγγείο" * 12, reason=SCRIPT, user_id=who)
    refuse(filled.engine, SCRIPT, reason="Национален" * 100, user_id=who)
    with visiting(browser, width=width) as visit:
        visit.log_in(desk.url, OP)
        visit.page.goto(desk.url + "/decide")
        assert visit.page.evaluate("window.taken") is None
        assert visit.page.locator("main script, main img").count() == 0
        visit.check_usable()
        assert visit.problems == []
