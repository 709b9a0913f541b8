"""Records and the places of their pictures: from the store, and from the APIs for the rest."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from common.europeana.api import EuropeanaApi
from common.process.settings import ApiSettings
from common.store.tables import PictureChoice, PictureSource
from deploy.sandbox.addresses import API_ADDRESS
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox
from worker.enrich.resolve import RecordResolver

MEDIA = "http://museum.example/1"
CATALOGUE = draw_collection(items=60)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(CATALOGUE) as sandbox:
        yield sandbox


@pytest.fixture
def resolver(engine: Engine, sandbox: Sandbox) -> Iterator[RecordResolver]:
    with api_of(sandbox) as api:
        yield RecordResolver(engine, api, api_url=sandbox.url)


def api_of(sandbox: Sandbox) -> EuropeanaApi:
    settings = ApiSettings(europeana_api_key=sandbox.key, europeana_api_url=sandbox.url)
    return EuropeanaApi(settings, longest_quota_wait=1.0)


def add(engine: Engine, record_id: str, media_url: str | None) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO record (id, media_url) VALUES (:id, :url)"),
            {"id": record_id, "url": media_url},
        )


def unknown_records() -> list[str]:
    whole = (item for item in CATALOGUE.items if item.shown_by and item.type == "IMAGE")
    return [item.id for item in whole if item.id not in CATALOGUE.broken][:3]


@pytest.mark.parametrize(
    ("choice", "sources"),
    [
        (PictureChoice.MEDIA, [PictureSource.MEDIA]),
        (PictureChoice.THUMBNAIL, [PictureSource.THUMBNAIL]),
        (PictureChoice.AUTO, [PictureSource.MEDIA, PictureSource.THUMBNAIL]),
    ],
)
def test_a_record_of_the_store_is_found_without_the_apis(
    engine: Engine,
    resolver: RecordResolver,
    sandbox: Sandbox,
    choice: PictureChoice,
    sources: list[PictureSource],
) -> None:
    add(engine, "/1/a", MEDIA)
    targets, errors = resolver.resolve(["/1/a"], picture=choice)
    assert errors == {}
    assert targets["/1/a"].data_provider == ""
    assert [place.source for place in targets["/1/a"].pictures] == sources
    assert not sandbox.log[API_ADDRESS].requests


def test_a_former_id_leads_to_the_present_one(engine: Engine, resolver: RecordResolver) -> None:
    add(engine, "/1/new", MEDIA)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO record_alias VALUES ('/1/old', '/1/new')"))
    targets, _ = resolver.resolve(["/1/old"], picture=PictureChoice.MEDIA)
    assert targets["/1/old"].record_id == "/1/new"


def test_unknown_records_are_asked_for_once_and_then_stored(
    resolver: RecordResolver, sandbox: Sandbox
) -> None:
    record_ids = unknown_records()
    first, errors = resolver.resolve(record_ids, picture=PictureChoice.MEDIA)
    assert (first.keys(), errors) == (set(record_ids), {})
    providers = {item.id: item.data_provider for item in CATALOGUE.items}
    assert {key: target.data_provider for key, target in first.items()} == {
        record_id: providers[record_id] for record_id in record_ids
    }
    asked = sandbox.log[API_ADDRESS].requests
    assert resolver.resolve(record_ids, picture=PictureChoice.MEDIA) == (first, {})
    assert sandbox.log[API_ADDRESS].requests == asked


def test_a_record_that_europeana_does_not_have_and_one_without_picture_have_their_reasons(
    engine: Engine, resolver: RecordResolver
) -> None:
    add(engine, "/1/bare", None)
    targets, errors = resolver.resolve(["/1/bare", "/9/none"], picture=PictureChoice.AUTO)
    assert targets == {}
    assert {key: error.reason for key, error in errors.items()} == {
        "/1/bare": "no_picture",
        "/9/none": "unknown_record",
    }


def test_an_api_that_is_away_puts_off_only_what_it_was_asked_for(engine: Engine) -> None:
    add(engine, "/1/a", MEDIA)
    away = Faults(api=[Fault("status", status=401)])
    with Sandbox(CATALOGUE, faults=away) as sandbox, api_of(sandbox) as api:
        resolver = RecordResolver(engine, api, api_url=sandbox.url)
        targets, errors = resolver.resolve(["/1/a", "/9/b"], picture=PictureChoice.MEDIA)
    assert targets.keys() == {"/1/a"}
    assert {key: error.reason for key, error in errors.items()} == {"/9/b": "api_unavailable"}
