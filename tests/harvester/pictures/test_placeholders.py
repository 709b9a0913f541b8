"""Pictures that stand in for missing ones are set aside, unless a person says otherwise."""

from dataclasses import replace

import pytest
from PIL import Image

from deploy.sandbox.server import Sandbox
from tests.common.fetch.servers import encoded
from tests.harvester.conftest import VOCABULARY
from tests.harvester.pictures.picture_states import IMAGES, states
from tests.harvester.records.test_search import HARVEST


@pytest.fixture
def placeholders(harvester, catalogue, use_sandbox):
    """A dataset whose maps are all one grey picture, also as thumbnails."""
    grey = encoded(Image.new("RGB", (300, 200), "grey"))
    read = catalogue.read
    hollow = replace(catalogue, read=lambda name: grey if "map/" in name else read(name))
    with Sandbox(hollow) as sandbox:
        use_sandbox(sandbox)
        harvester(*HARVEST, "--n", "8")
        yield harvester


MAPS = f"""
    SELECT DISTINCT image.record_id FROM image JOIN dataset_item USING (record_id)
    WHERE concept_uri = '{VOCABULARY["map"]}' AND
"""


def test_placeholders_are_set_aside_until_a_person_overrules_it(placeholders):
    placeholders(*IMAGES, "--saving-dir", "training")
    assert len(placeholders.rows(MAPS + "reason = 'placeholder'")) >= 6
    assert placeholders.rows(MAPS + "state = 'stored'") == []
    assert states(placeholders)["stored", "media"] > 20
    assert not (placeholders.folder / "training" / "map").exists()
    listed = placeholders("placeholders").stdout
    for [digest] in placeholders.rows("SELECT sha256 FROM picture_verdict"):
        assert digest in listed
        placeholders("placeholders", "--picture", digest)
    placeholders(*IMAGES, "--saving-dir", "training")
    assert len(placeholders.rows(MAPS + "state = 'stored'")) >= 6
    assert list((placeholders.folder / "training" / "map").iterdir())
    assert ("failed", "placeholder") not in states(placeholders)


def test_a_known_placeholder_is_not_taken_again(placeholders):
    placeholders(*IMAGES, "--picture", "media")
    kept = placeholders.rows(MAPS + "reason = 'placeholder' ORDER BY 1")
    with placeholders.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM image WHERE record_id = %s", kept[0])
    placeholders(*IMAGES, "--picture", "media")
    assert placeholders.rows(MAPS + "reason = 'placeholder' ORDER BY 1") == kept


def test_a_person_may_call_any_picture_a_placeholder(harvested):
    harvested(*IMAGES, "--picture", "media")
    [[digest]] = harvested.rows("SELECT min(sha256) FROM image WHERE state = 'stored'")
    harvested("placeholders", "--placeholder", digest)
    harvested(*IMAGES, "--picture", "media")
    assert harvested.rows(f"SELECT count(*) FROM image WHERE sha256 = '{digest}'") == [(0,)]
    assert ("failed", "placeholder") in states(harvested)
    assert "64 hex digits" in harvested("placeholders", "--picture", "abc", exit_code=2).stderr


def test_one_picture_that_many_records_share_is_no_placeholder(placeholders):
    with placeholders.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE record SET media_url = (SELECT min(media_url) FROM record)"
        )
    placeholders(*IMAGES, "--picture", "media")
    assert set(states(placeholders)) == {("stored", "media")}
