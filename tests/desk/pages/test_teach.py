"""Teaching in a real browser, with a real teacher and a real model on an encoder."""

import json
import os

import numpy as np
import pytest
from playwright.sync_api import expect

from common.store.tables import VerdictKind
from tests.desk.desk_process import PATIENCE
from tests.desk.museum import LABELS, MAP
from tests.desk.served import served_desk
from tests.desk.visiting import visiting
from tests.forking import start
from tests.worker.on_encoder import add_encoder, promote

pytestmark = pytest.mark.timeout(900)

MUSEUM = "Our museum"
RECORDS = [f"/1/r{number:02}" for number in range(45)]
CONCEPTS = list(LABELS)


def concept_of(record_id):
    """What a record truly shows."""
    return CONCEPTS[RECORDS.index(record_id) % 3]


@pytest.fixture
def taught(museum, tmp_path):
    """A museum whose pictures are told apart by their embeddings, and a model that cannot yet."""
    museum.records(MUSEUM, *RECORDS)
    encoder = add_encoder(museum.engine, tmp_path / "models")
    thresholds = dict.fromkeys(CONCEPTS, 0.5)
    model = promote(
        museum.engine,
        tmp_path / "models",
        encoder,
        name="heads",
        thresholds=thresholds,
        kind="single",
        data="dataset old",
    )
    museum.execute("INSERT INTO service (model_id) VALUES (:id)", id=model)
    chance = np.random.default_rng(0)
    centres = chance.normal(size=(3, encoder.dimension))
    (number,) = museum.rows("SELECT id FROM encoder")[0]
    found = {
        each: centres[place % 3] + 0.8 * chance.normal(size=encoder.dimension)
        for place, each in enumerate(RECORDS)
    }
    museum.embed(number, found)
    label_old_ones(museum, number, centres)
    museum.the_job = museum.job(model, RECORDS)
    return museum


def label_old_ones(museum, encoder, centres):
    """The dataset that the model was trained on: pictures of another museum."""
    chance = np.random.default_rng(1)
    museum.execute("INSERT INTO dataset (name) VALUES ('old')")
    vectors = {}
    for place in range(30):
        record = f"/2/o{place:02}"
        museum.records("Their museum", record)
        vectors[record] = centres[place % 3] + chance.normal(size=centres.shape[1])
        museum.execute(
            "INSERT INTO image (record_id, state, sha256, path, width, height, source)"
            " VALUES (:record, 'stored', :sha256, 'x', 1, 1, 'thumbnail')",
            record=record,
            sha256=record.encode().ljust(32, b".")[:32].hex(),
        )
        museum.execute(
            "INSERT INTO dataset_item (dataset_id, record_id, concept_uri, source)"
            " SELECT id, :record, :concept, 'csv' FROM dataset",
            record=record,
            concept=CONCEPTS[place % 3],
        )
    museum.embed(encoder, vectors)


@pytest.fixture
def desk(taught, tmp_path):
    with served_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
def teacher(tmp_path):
    environment = os.environ | {"MODEL_DIR": str(tmp_path / "models")}
    log = tmp_path / "teacher.log"
    process = start("trainer.cli", "teacher", environment=environment, stderr=log)
    yield process
    process.terminate()
    process.join(PATIENCE)


def test_ten_at_a_time_are_chosen_that_nobody_judged(taught, desk, visit):
    seen = set()
    for _ in range(2):
        visit.page.goto(f"{desk.url}/teach/judge?provider={MUSEUM}")
        cards = visit.page.locator(".batch > .card")
        expect(cards).to_have_count(10)
        records = {card.get_attribute("data-record") for card in cards.all()}
        assert not records & seen
        seen |= records
        visit.press("a")
        visit.page.locator(".unsaved[data-count='0']").wait_for(state="attached")
    assert len(taught.rows("SELECT 1 FROM verdict")) == 20
    assert visit.problems == []


def test_a_curator_teaches_and_sees_what_that_brought(taught, desk, teacher, visit):
    for record in RECORDS[:30]:
        taught.say("(local)", record, concept_of(record), VerdictKind.RIGHT)
    visit.page.goto(f"{desk.url}/teach?provider={MUSEUM}")
    visit.page.get_by_role("button", name="Retrain").click()
    visit.page.locator(".verdict-line, .warning").wait_for()
    assert "heads v2" in visit.page.locator(".live").inner_text()
    expect(visit.page.locator("svg circle")).not_to_have_count(0)
    rows = visit.page.locator(".live tbody tr").all_inner_texts()
    assert [each.split("\t")[1] for each in rows] == ["10"] * len(CONCEPTS)  # tested of each
    assert all(each.split("\t")[3].startswith("100.0") for each in rows)
    (result,) = taught.rows("SELECT result FROM refit")[0]
    assert result["changed"]
    expect(visit.page.get_by_text("of these pictures got another concept")).to_be_visible()
    expect(visit.page.locator(".live .card")).to_have_count(len(result["changed"]))
    (service,) = taught.rows("SELECT model_id FROM service WHERE data_provider = :p", p=MUSEUM)
    assert taught.rows("SELECT version FROM model WHERE id = :id", id=service[0]) == [(2,)]
    visit.page.get_by_role("link", name="See the new suggestions").wait_for()
    (renewal,) = taught.rows("SELECT renewal_id FROM refit")[0]
    assert taught.rows("SELECT total, priority FROM job WHERE id = :id", id=renewal) == [
        (len(RECORDS), "urgent")
    ]
    visit.page.goto(f"{desk.url}/teach?provider={MUSEUM}")
    assert "30 pictures are judged so far" in visit.page.locator("main").inner_text()
    assert visit.problems == []


def test_what_is_no_better_is_not_advised_for_all_records(taught, desk, teacher, visit):
    for record in RECORDS[:30]:
        taught.say("(local)", record, concept_of(record), VerdictKind.RIGHT)
    visit.page.goto(f"{desk.url}/teach?provider={MUSEUM}")
    visit.page.get_by_role("button", name="Retrain").click()
    visit.page.locator(".verdict-line").wait_for()
    result = {"others_before": 0.9, "others_after": 0.9, "may_serve_all": True}
    for in_service, advised in ((True, 1), (False, 0)):
        result["in_service"] = in_service
        change = "UPDATE refit SET result = result || CAST(:result AS jsonb)"
        taught.execute(change, result=json.dumps(result))
        visit.page.reload()
        visit.page.get_by_text("macro F1 0.900 before, 0.900 after").wait_for()
        assert visit.page.get_by_text("the model may serve all records").count() == advised


def test_too_few_verdicts_cannot_be_learned_from(taught, desk, visit):
    taught.say("(local)", RECORDS[0], MAP, VerdictKind.RIGHT)
    visit.page.goto(f"{desk.url}/teach?provider={MUSEUM}")
    expect(visit.page.get_by_role("button", name="Retrain")).to_be_disabled()
    assert "9 more to go" in visit.page.locator("main").inner_text()


def test_one_begins_with_a_museum_and_without_a_promise(taught, desk, visit):
    visit.page.goto(desk.url + "/teach")
    assert "better network" not in visit.page.locator("main").inner_text()
    visit.page.keyboard.type(MUSEUM)
    visit.press("Enter")
    visit.page.get_by_role("heading", name=f"Teach: {MUSEUM}").wait_for()


@pytest.mark.parametrize("width", [1280, 400])
def test_the_pages_fit_and_are_usable_by_all(taught, desk, browser, width):
    with visiting(browser, width=width) as visit:
        for path in ("/teach", f"/teach?provider={MUSEUM}", f"/teach/judge?provider={MUSEUM}"):
            visit.page.goto(desk.url + path)
            visit.check_usable()
