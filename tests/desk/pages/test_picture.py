"""The page of a record, its picture from the sandbox, its heatmap and its neighbours."""

import urllib.error

import pytest
from playwright.sync_api import expect

from common.store.tables import VerdictKind
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.server import Sandbox
from tests.desk.conftest import RECORDS
from tests.desk.museum import MAP, PAINTING
from tests.desk.served import served_desk

pytestmark = pytest.mark.timeout(600)
DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(draw_collection(items=30)) as sandbox:
        yield sandbox


@pytest.fixture
def desk(filled, sandbox, tmp_path):
    media = sandbox.addresses.media_url(sandbox.catalogue.items[3])
    filled.execute("UPDATE record SET media_url = :url WHERE id = :id", url=media, id=RECORDS[0])
    settings = {"EUROPEANA_API_URL": sandbox.url, "FETCH_ALLOW_ADDRESSES": "127.0.0.0/8"}
    with served_desk(tmp_path, **settings) as desk:
        yield desk


def test_a_picture_comes_through_the_desk(filled, desk, visit):
    visit.page.goto(desk.url + f"/records{RECORDS[0]}")
    image = visit.page.locator("img.large")
    image.evaluate("image => image.decode()")
    assert image.evaluate("image => image.naturalWidth") > 50
    assert visit.problems == []


def test_a_record_without_a_picture_is_told(filled, desk):
    with pytest.raises(urllib.error.HTTPError) as answer:
        desk.get(f"/thumbnails{RECORDS[1]}")
    assert answer.value.code == 404
    answer.value.close()


def test_a_heatmap_is_shown_beside_the_picture(filled, desk, tmp_path, visit):
    path = tmp_path / "heatmaps" / DIGEST[:2] / f"{DIGEST}.heatmap.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xd8\xff")
    filled.execute(
        "INSERT INTO heatmap (record_id, concept_uri, model_id, image_url, sha256)"
        " SELECT record_id, concept_uri, model_id, image_url, :sha256 FROM enrichment"
        " WHERE record_id = :record",
        sha256=DIGEST,
        record=RECORDS[0],
    )
    visit.page.goto(desk.url + f"/records{RECORDS[0]}")
    assert visit.page.locator("img.wide").get_attribute("src") == f"/heatmaps/{DIGEST}"
    assert visit.page.request.get(f"{desk.url}/heatmaps/{DIGEST}").body() == b"\xff\xd8\xff"


@pytest.mark.parametrize("path", ["/heatmaps/../../x", "/heatmaps/ab", f"/heatmaps/{'0' * 64}"])
def test_no_other_file_is_a_heatmap(filled, desk, path):
    with pytest.raises(urllib.error.HTTPError) as answer:
        desk.get(path)
    assert answer.value.code == 404
    answer.value.close()


def test_a_record_that_is_not_there_is_told(filled, desk):
    assert "is not in the store" in _refused(desk, "/records/1/none")


def _refused(desk, path):
    with pytest.raises(urllib.error.HTTPError) as answer:
        desk.get(path)
    with answer.value as error:
        return error.read().decode()


def test_a_heatmap_is_asked_for_by_a_job(filled, desk, visit):
    visit.page.goto(desk.url + f"/records{RECORDS[2]}")
    visit.page.get_by_role("button", name="Make a heatmap").click()
    visit.page.get_by_text("A worker is making the heatmap").wait_for()
    jobs = filled.rows("SELECT explain, priority, total FROM job WHERE state = 'running'")
    assert jobs == [(True, "urgent", 1)]


def test_verdicts_of_all_stand_beside_what_models_say(filled, desk, visit):
    filled.say("one", RECORDS[0], MAP, VerdictKind.WRONG, instead=PAINTING)
    visit.log_in(desk.url, "one")
    visit.page.goto(f"{desk.url}/records{RECORDS[0]}")
    page = visit.page.locator("main").inner_text()
    assert "wrong: painting" in page
    assert "test v1" in page


def test_what_was_said_of_a_concept_that_no_model_wrote_is_shown_and_changed(filled, desk, visit):
    media = "SELECT media_url FROM record WHERE id = :seen"
    change = f"UPDATE record SET media_url = ({media}) WHERE id = :id"
    filled.execute(change, seen=RECORDS[0], id=RECORDS[9])
    filled.say("one", RECORDS[9], PAINTING, VerdictKind.RIGHT)
    filled.say("two", RECORDS[9], PAINTING, VerdictKind.WRONG, instead=MAP)
    visit.log_in(desk.url, "one")
    visit.page.goto(f"{desk.url}/records{RECORDS[9]}")
    row = visit.page.get_by_role("row").filter(has_text="no model wrote it")
    assert row.inner_text().split("\n")[1:] == ["right one", "wrong: map two", "disputed"]
    card = visit.page.locator(".batch > .card")
    expect(card.locator(".mine")).to_have_text("right")
    card.focus()
    visit.press("g")
    visit.page.locator(".unsaved[data-count='0']").wait_for(state="attached")
    visit.page.reload()
    expect(row).to_contain_text("too general one")
    assert visit.problems == []
