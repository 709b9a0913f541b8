from collections.abc import Iterator

import pytest

from common.errors import ApiError, CursorRefusedError, KeyRefusedError, RecordError
from common.europeana.api import EuropeanaApi, SearchQuery, concept_refinement
from common.process.settings import ApiSettings
from deploy.sandbox.catalogue import Catalogue
from deploy.sandbox.collection import CATEGORIES, draw_collection
from deploy.sandbox.server import Sandbox
from tests.common.europeana.conftest import answering

MAPS = SearchQuery(refinements=(concept_refinement([CATEGORIES["map"].concept]),))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return draw_collection(items=1500)


@pytest.fixture(scope="module")
def sandbox(catalogue) -> Iterator[Sandbox]:
    with Sandbox(catalogue) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox) -> Iterator[EuropeanaApi]:
    settings = ApiSettings(europeana_api_key=sandbox.key, europeana_api_url=sandbox.url)
    with EuropeanaApi(settings) as api:
        yield api


@pytest.fixture
def scripted(server) -> Iterator[EuropeanaApi]:
    with EuropeanaApi(server.settings) as api:
        yield api


def maps(catalogue):
    concept = CATEGORIES["map"].concept
    return {item.id for item in catalogue.items if concept in item.concepts}


@pytest.mark.parametrize("sort", ["europeana_id", "random_7,europeana_id"])
def test_a_search_gives_every_record_once_in_pages(api, catalogue, sort):
    query = SearchQuery(refinements=MAPS.refinements, sort=sort)
    pages = list(api.search(query))
    found = [record.id for page in pages for record in page.records]
    assert len(found) == len(set(found))
    assert set(found) == maps(catalogue)
    assert {page.total for page in pages} == {len(found)}
    assert len(pages) >= 3


def test_a_search_goes_on_from_a_cursor(api):
    pages = list(api.search(MAPS))
    assert list(api.search(MAPS, pages[0].next_cursor)) == pages[1:]


def test_pages_may_change_their_size_on_the_way(api):
    at_once = [record.id for page in api.search(MAPS) for record in page.records]
    first = api.search_page(MAPS, rows=7)
    second = api.search_page(MAPS, first.next_cursor, rows=13)
    assert [record.id for record in first.records + second.records] == at_once[:20]


def test_a_search_without_results_has_one_empty_page(api):
    query = SearchQuery(refinements=(concept_refinement(["http://x.org/none"]),))
    [page] = api.search(query)
    assert (page.records, page.total, page.next_cursor) == ((), 0, None)


def test_refinements_and_reusability_all_hold(api):
    query = SearchQuery(
        refinements=(*MAPS.refinements, "TYPE:TEXT"), reusability=("open", "permission")
    )
    texts = [record for page in api.search(query) for record in page.records]
    assert {record.type for record in texts} <= {"TEXT"}


def test_a_cursor_of_another_query_is_refused(api):
    cursor = api.search_page(MAPS, rows=10).next_cursor
    with pytest.raises(CursorRefusedError):
        api.search_page(SearchQuery(), cursor)
    with pytest.raises(CursorRefusedError):
        api.search_page(MAPS, "no cursor")


def test_a_query_that_europeana_does_not_understand_is_told(api):
    with pytest.raises(ApiError, match="answers 400: 400-S"):
        api.search_page(SearchQuery(query='skos_concept:"'))


def test_records_are_looked_up_by_the_hundred(api, sandbox, catalogue):
    wanted = [item.id for item in catalogue.items[:250]]
    asked = sandbox.log["127.0.0.1"].requests
    found = list(api.search_ids([*wanted, "/1/unknown"]))
    assert {record.id for record in found} == set(wanted)
    assert sandbox.log["127.0.0.1"].requests - asked <= 4
    assert list(api.search_ids([])) == []


def test_look_ups_of_long_ids_stay_within_what_gateways_accept(server, scripted):
    server.scripts = [answering({"totalResults": 0, "items": []})]
    list(scripted.search_ids(f"/1/{'x' * 500}{number}" for number in range(40)))
    assert max(len(path) for path, _ in server.requests) < 8000
    assert len(server.requests) > 1


def test_search_and_record_api_agree(api, catalogue):
    for item in catalogue.items[:20]:
        [searched] = api.search_ids([item.id])
        looked_up = api.record(item.id)
        assert looked_up.id == item.id
        assert looked_up.rights == searched.rights
        assert looked_up.concepts == searched.concepts
        if item.shown_by:
            assert looked_up.media_url == searched.media_url


def test_a_moved_record_comes_under_its_new_id(api, catalogue):
    old, new = next(iter(catalogue.moved.items()))
    assert api.record(old).id == new
    assert list(api.search_ids([old])) == []


def test_deleted_and_unknown_records_are_told_apart(api, catalogue):
    for record_id, reason in ((min(catalogue.deleted), "deleted"), ("/1/x", "unknown_record")):
        with pytest.raises(RecordError, match=record_id) as refusal:
            api.record(record_id)
        assert (refusal.value.stage, refusal.value.reason) == ("resolve", reason)


def test_a_wrong_key_is_refused(sandbox):
    settings = ApiSettings(europeana_api_key="hunter2", europeana_api_url=sandbox.url)
    with EuropeanaApi(settings) as api, pytest.raises(KeyRefusedError) as refusal:
        api.record("/1/a")
    assert "hunter2" not in str(refusal.value)


def test_a_cursor_that_does_not_move_on_is_the_end(server, scripted):
    item = {"id": "/1/a"}
    server.scripts = [answering({"totalResults": 1, "items": [item], "nextCursor": "*"})]
    assert scripted.search_page(SearchQuery()).next_cursor is None
    server.scripts = [answering({"totalResults": 1, "items": [], "nextCursor": "x"})]
    assert scripted.search_page(SearchQuery()).next_cursor is None


def test_a_changed_answer_names_the_api_and_the_member(server, scripted):
    server.scripts = [answering({"success": True, "object": {"id": "/1/a"}})]
    with pytest.raises(ApiError, match=r"The Record API .* object.about: it is missing"):
        scripted.record("/1/a")


def test_the_record_is_asked_for_by_its_id(server, scripted):
    server.scripts = [answering({"success": False}, 404)]
    with pytest.raises(RecordError):
        scripted.record("/1/a_B")
    assert server.requests[0][0] == "/record/v2/1/a_B.json"
