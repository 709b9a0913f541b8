"""What a model suggests for pictures that it saw before, and for others."""

import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from common.pictures.decoders import Decoders
from common.process.settings.desk import DeskSettings
from common.store.decisions import block
from common.store.embeddings import keep_vectors
from common.store.model_names import ModelName
from common.vision.answers.heads import halved
from common.vision.saved_model import bundle_sha256, load_bundle
from common.vocabulary.concepts import VocabularyConcept
from desk.api.annif.asked_pictures import AskedPicture
from desk.api.annif.suggester import Suggester, Wanted
from desk.review.shown_models import LoadedHeads, model_named
from tests.common.vision.models import model_of
from tests.desk.api.annif.drawn_model import KNOWN, NEW, drawn_model, encoder_of
from tests.desk.desk_process import folders
from tests.desk.museum import MAP, PAINTING, Museum
from tests.desk.picture_host import PictureHost, drawn
from tests.worker.on_encoder import add_encoder, promote, to_nothing

PICTURE = AskedPicture(content=drawn("a vase"))


ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def models(museum: Museum, tmp_path: Path) -> Path:
    return drawn_model(museum, tmp_path)


@pytest.fixture
def suggester(
    museum: Museum, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Suggester]:
    for name, value in folders(tmp_path).items():
        monkeypatch.setenv(name, value)
    settings = DeskSettings.read()
    suggester = Suggester(museum.engine, settings, LoadedHeads(settings.model_dir))
    yield suggester
    suggester.close()


def suggested(museum, suggester, *asked, name="drawn", **wanted):
    with museum.engine.connect() as connection:
        model = model_named(connection, ModelName(name))
    return suggester.suggest(model, asked, Wanted(**wanted))


def has_network(suggester):
    return suggester._sight._network._pool is not None


def scores(answer):
    assert answer.failure is None
    return {each.uri: each.score for each in answer.results}


def expected(folder: Path, content: bytes) -> dict[str, float]:
    """The reference: what the model in the folder computes of the bytes."""
    model = load_bundle(folder, bundle_sha256(folder))
    preprocessing = model.description.preprocessing
    with Decoders(places=1) as decoders:
        pixels = decoders.pixels(content, preprocessing.square, preprocessing.from_pixels)
    (row,) = model.probabilities(pixels.unsqueeze(0))
    return dict(zip(model.description.concept_uris, row.tolist(), strict=True))


def test_a_record_whose_picture_was_seen_is_read(museum, models, suggester):
    (answer,) = suggested(museum, suggester, AskedPicture(record_id=KNOWN))
    assert set(scores(answer)) == {MAP, PAINTING}
    of_map = next(each for each in answer.results if each.uri == MAP)
    assert (of_map.label, of_map.notation) == ("map", None)
    assert (of_map.written, of_map.reason, of_map.promise) == (True, None, None)
    assert not has_network(suggester)


def test_a_sent_picture_is_looked_at_as_workers_do(museum, models, suggester):
    answers = suggested(museum, suggester, PICTURE, PICTURE)
    for each in answers:
        assert scores(each) == pytest.approx(
            expected(models / "drawn-1", PICTURE.content), abs=1e-4
        )


def test_a_record_that_was_not_seen_is_fetched(
    museum: Museum, models: Path, suggester: Suggester, pictures: PictureHost
) -> None:
    url = f"{pictures.url}/new.jpg"
    museum.execute("UPDATE record SET media_url = :url WHERE id = :id", url=url, id=NEW)
    of_record, of_url = suggested(
        museum, suggester, AskedPicture(record_id=NEW), AskedPicture(url=url)
    )
    assert of_record == of_url
    assert scores(of_url) == pytest.approx(expected(models / "drawn-1", drawn("new.jpg")), abs=1e-4)


def test_the_thumbnail_answers_if_the_file_is_lost(museum, models, suggester, pictures):
    url = f"{pictures.url}/lost.jpg"
    museum.execute("UPDATE record SET media_url = :url WHERE id = :id", url=url, id=NEW)
    pictures.missing.add("lost.jpg")
    of_record, of_url = suggested(
        museum, suggester, AskedPicture(record_id=NEW), AskedPicture(url=url)
    )
    assert scores(of_record)
    assert (of_url.failure.stage, of_url.failure.reason) == ("fetch", "not_found")


def test_a_picture_whose_bytes_were_seen_is_read_wherever_it_comes_from(
    museum, models, suggester, pictures
):
    vector = np.random.default_rng(1).normal(size=512)
    seen = {sha256(drawn(name)).digest(): halved(vector[np.newaxis])[0] for name in ("a", "b")}
    with museum.engine.begin() as connection:
        keep_vectors(connection, encoder_of(museum), seen)
    asked = AskedPicture(content=drawn("a")), AskedPicture(url=f"{pictures.url}/b")
    sent, fetched = suggested(museum, suggester, *asked)
    assert scores(sent) == scores(fetched)
    assert not has_network(suggester)


def test_documents_without_a_usable_picture_say_why(museum, models, suggester, pictures):
    asked = [
        None,
        AskedPicture(record_id="/1/unknown"),
        AskedPicture(url="http://[museum/vase.jpg"),
        AskedPicture(content=b"<!doctype html><p>Log in"),
        AskedPicture(content=b""),
        AskedPicture(content=drawn("cut")[:700]),
        AskedPicture(record_id=KNOWN),
    ]
    *failed, known = suggested(museum, suggester, *asked)
    assert [(each.failure.stage, each.failure.reason) for each in failed] == [
        ("resolve", "no_picture"),
        ("resolve", "unknown_record"),
        ("fetch", "invalid_url"),
        ("decode", "not_an_image_html"),
        ("decode", "empty"),
        ("decode", "truncated"),
    ]
    assert "Error" not in " ".join(each.failure.detail for each in failed)
    assert not any(each.results for each in failed)
    assert scores(known)


def test_addresses_within_our_network_are_refused(museum, models, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "")
    settings = DeskSettings.read()
    suggester = Suggester(museum.engine, settings, LoadedHeads(models))
    (answer,) = suggested(museum, suggester, AskedPicture(url=f"{pictures.url}/x.jpg"))
    suggester.close()
    assert answer.failure.reason == "address_refused"


def test_labels_are_in_the_language_that_is_asked_for(museum, models, suggester):
    museum.vocabulary(
        VocabularyConcept(
            uri=MAP, category="map", labels={"en": "map", "de": "Karte"}, notation="43.1"
        )
    )
    for languages, label in [(("de",), "Karte"), (("fi", "en"), "map"), ((), "map")]:
        (answer,) = suggested(museum, suggester, AskedPicture(record_id=KNOWN), languages=languages)
        texts = {each.uri: (each.label, each.notation) for each in answer.results}
        assert texts == {MAP: (label, "43.1"), PAINTING: ("painting", None)}


def test_a_picture_too_different_and_a_blocked_concept_are_told(museum, models, suggester):
    user = museum.user()
    block(museum.engine, MAP, data_provider=None, reason="unclear", user_id=user)
    (answer,) = suggested(museum, suggester, AskedPicture(record_id=KNOWN))
    assert {each.uri: each.reason for each in answer.results} == {MAP: "blocked", PAINTING: "off"}
    encoder = add_encoder(museum.engine, models)
    strange = to_nothing(encoder.dimension)
    promote(museum.engine, models, encoder, name="strange", thresholds={MAP: 0.0}, likeness=strange)
    (answer,) = suggested(museum, suggester, AskedPicture(record_id=KNOWN), name="strange")
    assert [each.reason for each in answer.results] == ["unlike"]


def test_a_whole_network_looks_at_every_picture(museum, models, suggester, pictures):
    model = model_of("squeezenet1_1", models / "whole-1")
    museum.execute(
        "INSERT INTO model (name, version, path, sha256, labels, thresholds)"
        " VALUES ('whole', 1, 'whole-1', :sha256, '{}', '{}')",
        sha256=model.sha256,
    )
    (answer,) = suggested(museum, suggester, PICTURE, name="whole")
    assert scores(answer) == pytest.approx(expected(models / "whole-1", PICTURE.content), abs=1e-4)


WITHOUT_TORCH = """
import sys

from common.process.settings.desk import DeskSettings
from common.store.model_names import ModelName
from common.store.session import open_store
from desk.api.annif.asked_pictures import AskedPicture
from desk.api.annif.suggester import Suggester, Wanted
from desk.review.shown_models import LoadedHeads, model_named

settings, engine = DeskSettings.read(), open_store()
suggester = Suggester(engine, settings, LoadedHeads(settings.model_dir))
with engine.connect() as connection:
    model = model_named(connection, ModelName("drawn"))
(answer,) = suggester.suggest(model, [AskedPicture(record_id=sys.argv[1])], Wanted())
assert answer.results
print(*sorted({"torch", "onnxruntime"} & sys.modules.keys()))
"""


def test_what_is_read_loads_no_network_library(museum, models, tmp_path):
    read = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, KNOWN],
        cwd=ROOT,
        env=os.environ | folders(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout.split() == []
