"""Jobs in a real browser: lists, progress, steering, new jobs."""

import pytest

from tests.desk.conftest import OURS, RECORDS
from tests.desk.visiting import visiting

pytestmark = pytest.mark.timeout(600)


def state_of(filled):
    return filled.rows("SELECT state FROM job WHERE id = :id", id=filled.the_job)[0][0]


def set_state(filled, state):
    change = "UPDATE job SET state = :state, finished_at = NULL WHERE id = :id"
    filled.execute(change, state=state, id=filled.the_job)
    filled.execute(
        "UPDATE job_chunk SET state = 'ready', settled_at = NULL, below_threshold = 0, failed = 0"
        " WHERE number = 2"
    )


def test_a_job_tells_outcomes_reasons_and_throughput(filled, desk, visit):
    visit.page.goto(desk.url + "/jobs")
    visit.page.locator("tbody a").first.click()
    visit.page.get_by_role("heading", name="Outcomes").wait_for()
    text = visit.page.locator("main").inner_text()
    assert "12 of 12 records have an outcome" in text
    assert "timeout no bytes arrived, or the time limit was reached" in text
    assert visit.page.locator("svg.plot rect").count() == 1
    assert visit.problems == []


def test_a_running_job_is_paused_resumed_and_after_a_question_cancelled(filled, desk, visit):
    set_state(filled, "running")
    visit.page.goto(f"{desk.url}/jobs/{filled.the_job}")
    for name, state in (("Pause", "paused"), ("Resume", "running")):
        visit.page.get_by_role("button", name=name).click()
        visit.page.get_by_role("status").first.wait_for()
        assert state_of(filled) == state
    visit.page.get_by_role("button", name="Cancel").click()
    visit.page.get_by_role("heading", name="Cancel 1 job?").wait_for()
    assert state_of(filled) == "running"
    visit.page.get_by_role("button", name="Cancel 1 job").click()
    visit.page.get_by_role("status").first.wait_for()
    assert state_of(filled) == "cancelled"


def test_progress_goes_on_by_itself(filled, desk, visit):
    set_state(filled, "running")
    visit.page.goto(f"{desk.url}/jobs/{filled.the_job}")
    visit.page.get_by_text("Running: 5 of 12").wait_for()
    assert visit.page.get_by_text("Workers that are alive: none.").count() == 1
    filled.execute(
        "UPDATE job_chunk SET state = 'done', settled_at = now(), below_threshold = 5, failed = 2"
        " WHERE number = 2"
    )
    filled.execute("UPDATE job SET state = 'done', finished_at = now()")
    visit.page.get_by_text("Done: 12 of 12").wait_for()
    assert visit.page.get_by_text("Workers that are alive").count() == 0
    visit.page.get_by_role("button", name="Cancel").wait_for(state="detached")
    assert visit.page.get_by_role("button", name="Pause").count() == 0


def test_all_that_match_are_steered_at_once(filled, desk, visit):
    set_state(filled, "running")
    other = filled.job(filled.the_model, ["/1/x"])
    filled.execute("UPDATE job SET state = 'running', finished_at = NULL WHERE id = :id", id=other)
    visit.page.goto(desk.url + "/jobs?state=running")
    visit.page.get_by_label("all running jobs").check()
    visit.page.get_by_role("button", name="Pause").click()
    visit.page.get_by_text("2 of 2 jobs paused").wait_for()
    assert filled.rows("SELECT DISTINCT state FROM job") == [("paused",)]


def test_an_action_without_a_job_is_told(filled, desk, visit):
    visit.page.goto(desk.url + "/jobs")
    visit.page.get_by_role("button", name="Pause").click()
    visit.page.get_by_text("No job was changed. First tick one or more jobs").wait_for()
    assert visit.page.get_by_role("heading", name="Jobs").count() == 1


def test_failures_of_a_reason_are_tried_again(filled, desk, visit):
    visit.page.goto(f"{desk.url}/jobs/{filled.the_job}")
    visit.page.get_by_label("Choose timeout").check()
    visit.page.get_by_role("button", name="Try again").click()
    visit.page.get_by_text("Workers will try again: 1 record.").wait_for()
    assert filled.rows("SELECT record_id FROM job_failure") == [(RECORDS[11],)]


def test_a_file_becomes_a_job_once(filled, desk, visit):
    visit.page.goto(desk.url + "/jobs/new")
    names = f"{RECORDS[0]}\nhttps://www.europeana.eu/item{RECORDS[1]}\n\n"
    upload = {"name": "ids.txt", "mimeType": "text/plain", "buffer": names.encode()}
    visit.page.locator("input[type=file]").set_input_files(upload)
    visit.page.get_by_role("button", name="Enqueue").dblclick()
    visit.page.get_by_text("2 of 2 records").or_(
        visit.page.get_by_text("0 of 2 records")
    ).wait_for()
    jobs = filled.rows("SELECT total, submitter FROM job WHERE id <> :id", id=filled.the_job)
    assert [total for total, _ in jobs] == [2]
    assert jobs[0][1].startswith("desk, account ")


def test_one_looks_at_a_file_before_one_enqueues_it(filled, desk, visit):
    visit.page.goto(desk.url + "/jobs/new")
    upload = {"name": "ids.txt", "mimeType": "text/plain", "buffer": RECORDS[0].encode()}
    visit.page.locator("input[type=file]").set_input_files(upload)
    visit.page.get_by_role("button", name="Preview").click()
    visit.page.get_by_text("1 record in 1 chunk would be enqueued").wait_for()
    visit.page.get_by_text("Choose the file again").wait_for()
    assert len(filled.rows("SELECT 1 FROM job")) == 1


def test_one_looks_before_one_enqueues_a_selection(filled, desk, visit):
    visit.page.goto(desk.url + "/jobs/new")
    visit.page.get_by_label("or a data provider").fill(OURS)
    visit.page.get_by_label("Name").fill("first look")
    visit.page.get_by_role("button", name="Preview").click()
    visit.page.get_by_text("6 records in 1 chunk would be enqueued").wait_for()
    assert len(filled.rows("SELECT 1 FROM job")) == 1
    visit.page.get_by_role("button", name="Enqueue").click()
    visit.page.get_by_text("6 records enqueued").wait_for()
    assert visit.page.get_by_role("heading", name="first look").count() == 1
    visit.page.get_by_role("link", name="Jobs").click()
    assert "first look" in visit.page.locator("tbody").inner_text()


def test_a_list_that_was_previewed_is_the_list_that_is_enqueued(filled, desk, visit):
    visit.page.goto(desk.url + "/jobs/new")
    typed = f"\n{RECORDS[0]}\nno record <&> \u202e\u0086\t.\n{RECORDS[1]}\n{RECORDS[2]}\n"
    visit.page.locator("[name=ids]").fill(typed)
    visit.page.get_by_label("Name").fill(" a 'name' ")
    visit.page.get_by_label("leave out lines").check()
    visit.page.get_by_role("button", name="Preview").click()
    visit.page.get_by_text("3 records in 1 chunk would be enqueued").wait_for()
    assert visit.page.locator("[name=ids]").input_value() == typed
    assert visit.page.get_by_label("Name").input_value() == " a 'name' "
    visit.page.get_by_role("button", name="Enqueue").click()
    visit.page.get_by_text("3 records enqueued. Left out: 1 line").wait_for()


def test_what_is_wrong_stands_beside_its_field_and_the_form_stays(filled, desk, visit):
    for field, value, words in (
        ("ids", "a\nb\n", "have no record ID"),
        ("provider", "Nobody", "no record of the data provider"),
        ("name", "last", "cannot be the name of a job"),
    ):
        visit.page.goto(desk.url + "/jobs/new")
        if field == "name":
            visit.page.locator("[name=ids]").fill(RECORDS[0])
        visit.page.locator(f"[name={field}]").fill(value)
        visit.page.locator("[name=urgent]").check()
        visit.page.get_by_role("button", name="Enqueue").click()
        label = visit.page.locator("label", has=visit.page.locator(f"[name={field}]"))
        label.get_by_role("alert").get_by_text(words).wait_for()
        assert visit.page.locator(f"[name={field}]").input_value() == value
        assert visit.page.locator("[name=urgent]").is_checked()
    assert len(filled.rows("SELECT 1 FROM job")) == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("ids", "no record", "line has no record ID"),
        ("provider", "Nobody", "The store has no record of the data provider"),
        ("ids", "", "Choose the records"),
    ],
)
def test_a_wrong_list_is_refused_in_words(filled, desk, visit, field, value, words):
    visit.page.goto(desk.url + "/jobs/new")
    visit.page.locator(f"[name={field}]").fill(value)
    visit.page.get_by_role("button", name="Enqueue").click()
    visit.page.get_by_text(words).wait_for()
    assert "--" not in visit.page.locator("main").inner_text()  # no words of the command line
    visit.page.go_back()
    assert visit.page.locator(f"[name={field}]").input_value() == value
    assert len(filled.rows("SELECT 1 FROM job")) == 1


@pytest.mark.parametrize("width", [1280, 400])
def test_the_pages_fit_and_are_usable_by_all(filled, desk, browser, width):
    with visiting(browser, width=width) as visit:
        for path in ("/jobs", f"/jobs/{filled.the_job}", "/jobs/new"):
            visit.page.goto(desk.url + path)
            visit.check_usable()
