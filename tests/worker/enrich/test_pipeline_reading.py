"""A chunk of a model on an encoder: what was seen is read, all else is looked at, and kept."""

import hashlib
import io
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from common.europeana.api import EuropeanaApi
from common.fetch.host_limits import HostLimits, LocalHostLimiter
from common.pictures.decoders import Decoders
from common.process.settings import ApiSettings, ImageSettings
from common.store.embeddings import keep_vectors
from common.store.tables import PictureChoice
from common.vision.answers.likeness import Likeness
from common.vision.encoders.description import ENCODERS, EncoderDescription
from tests.common.fetch.servers import Request, response, serving
from tests.worker.conftest import CONCEPTS
from tests.worker.ledger_rows import claim, finish_with, predictions
from tests.worker.on_encoder import add_encoder, promote, to_all_near, to_nothing
from worker import jobs
from worker.enrich.looking import Looker, MeteredFetcher
from worker.enrich.model_pool import ModelPool, ModelsInUse
from worker.enrich.pipeline import ChunkOutcome, Pipeline, predict_again
from worker.enrich.resolve import RecordResolver
from worker.enrich.seen import SeenPictures
from worker.ledger import finish as finishing
from worker.ledger.chunks import Lease
from worker.ledger.routes import Routes

MAP, PAINTING = CONCEPTS
IDS = ("/1/a", "/1/b", "/1/c", "/1/d")


def picture(seed: int) -> bytes:
    content = io.BytesIO()
    drawn = random.Random(seed).randbytes(3 * 64 * 64)
    Image.frombytes("RGB", (64, 64), drawn).save(content, "JPEG")
    return content.getvalue()


@dataclass
class Museum:
    """A store with two models on one encoder, a host of pictures, and a pipeline."""

    engine: Engine
    models: Path
    encoder: EncoderDescription
    numbers: tuple[int, int]
    pipeline: Pipeline
    pool: ModelPool
    asked: list[str] = field(default_factory=list)
    content: dict[str, bytes] = field(default_factory=dict)

    def promote(self, name: str, likeness: Likeness) -> int:
        """Another model on the encoder, which abstains."""
        thresholds: dict[str, float | None] = {MAP: 0.0, PAINTING: 0.5}
        return promote(
            self.engine,
            self.models,
            self.encoder,
            name=name,
            thresholds=thresholds,
            likeness=likeness,
        )

    def job(self, *ids: str, model: int | None = None, **changes: Any) -> ChunkOutcome:
        """What a job over these records comes to, after it was written."""
        self.asked.clear()
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE model SET stage = 'candidate'"))
            activate = text("UPDATE model SET stage = 'active' WHERE id = :number")
            connection.execute(activate, {"number": model or self.numbers[0]})
        options = jobs.JobOptions(picture=changes.pop("picture", PictureChoice.MEDIA))
        accepted = jobs.enqueue(self.engine, ids or IDS, options)
        lease = replace(claim(self.engine, accepted.job_id, 1), **changes)
        with self.pool.use(*lease.routes.model_ids) as models:
            outcome = self.pipeline.run(lease, models, on_record=lambda: None)
            finish_with(self.engine, lease, outcome)
        return outcome

    def predict_again(self, lease: Lease, outcome: ChunkOutcome, models: ModelsInUse) -> None:
        """Finish a chunk of which others have kept other embeddings: as a worker does."""
        other = finishing.finish(self.engine, lease, outcome, retry_delays=()).kept_otherwise
        assert self.rows("SELECT 1 FROM job_chunk WHERE state = 'leased'")
        predict_again(outcome, other, models, lease)
        finish_with(self.engine, lease, outcome)

    def rows(self, statement: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement)))

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))


@pytest.fixture
def museum(
    engine: Engine, model_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Museum]:
    """Four records; the last two have one picture."""
    monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.0.0/8")
    settings = ImageSettings.read()
    encoder = add_encoder(engine, tmp_path)
    thresholds: dict[str, float | None] = {MAP: 0.0, PAINTING: 0.5}
    first, second = (
        promote(engine, tmp_path, encoder, name=name, thresholds=thresholds)
        for name in ("one", "two")
    )
    seen = SeenPictures(engine)
    limits = LocalHostLimiter(HostLimits(max_concurrent=8, requests_per_second=1000.0))
    with (
        MeteredFetcher.from_settings(settings) as fetcher,
        EuropeanaApi(ApiSettings(europeana_api_key="unused")) as api,
        Decoders(1) as decoders,
    ):
        looker = Looker(fetcher, limits, decoders, seen, connections=4)
        resolver = RecordResolver(engine, api, api_url=settings.europeana_api_url)
        pool = ModelPool(engine, tmp_path, runtime="torch")
        pipeline = Pipeline(resolver, seen, looker)
        found = Museum(engine, tmp_path, encoder, (first, second), pipeline, pool)

        def answer(request: Request, connection: socket.socket) -> None:
            found.asked.append(request.target)
            connection.sendall(response(found.content[request.target]))

        with serving(answer) as server:
            found.content = {each: picture(min(n, 2)) for n, each in enumerate(IDS)}
            with engine.begin() as connection:
                connection.execute(
                    text("INSERT INTO record VALUES (:id, :url, NULL, NULL, 'Louvre')"),
                    [{"id": each, "url": server.url(each)} for each in IDS],
                )
            yield found
        pool.close()


def test_one_picture_under_two_records_is_embedded_once(museum: Museum) -> None:
    outcome = museum.job()
    assert (outcome.read, len(outcome.predicted), len(museum.asked)) == (0, 4, 4)
    kept = {bytes(row.sha256) for row in museum.rows("SELECT sha256 FROM embedding")}
    assert kept == {hashlib.sha256(content).digest() for content in museum.content.values()}
    seen = museum.rows("SELECT record_id, source, seen_at FROM picture_seen")
    assert {(row.record_id, row.source) for row in seen} == {(each, "media") for each in IDS}
    enriched = museum.rows("SELECT record_id, seen_at FROM enrichment")
    assert {tuple(row) for row in enriched} == {(row.record_id, row.seen_at) for row in seen}


def test_what_is_read_says_what_a_look_says_bit_for_bit(museum: Museum) -> None:
    looked = museum.job()
    with museum.engine.connect() as connection:
        before = set(connection.execute(text("SELECT *, xmin::text FROM enrichment")))
    encoder = next((museum.models / ENCODERS).iterdir())
    encoder.rename(encoder.with_name("gone"))
    museum.pool.close()
    read = museum.job()
    assert (read.read, museum.asked, read.newly_seen) == (4, [], None)
    assert read.predicted == looked.predicted
    assert set(museum.rows("SELECT *, xmin::text FROM enrichment")) == before


def test_another_head_reads_what_the_encoder_saw_for_the_first(museum: Museum) -> None:
    museum.job()
    outcome = museum.job(model=museum.numbers[1])
    assert (outcome.read, museum.asked) == (4, [])
    assert {each.model_id for each in outcome.predicted.values()} == {museum.numbers[1]}
    assert predictions(outcome)
    assert len(museum.rows("SELECT 1 FROM job_chunk WHERE read = 4")) == 1


def test_models_with_routes_share_the_looks(museum: Museum) -> None:
    museum.execute("UPDATE record SET data_provider = 'Prado' WHERE id = '/1/b'")
    usual, other = museum.numbers
    outcome = museum.job(routes=Routes(model_id=usual, by_provider={"Prado": other}))
    assert len(museum.asked) == 4
    found = {tuple(row) for row in museum.rows("SELECT record_id, model_id FROM enrichment")}
    assert found == {(each, other if each == "/1/b" else usual) for each in outcome.predicted}


@pytest.mark.parametrize(
    ("change", "fetched"),
    [
        ({}, set()),
        ({"look_again": True}, set(IDS)),
        ({"max_age": timedelta(hours=1)}, {"/1/a"}),
        ({"picture": PictureChoice.AUTO}, set()),
    ],
)
def test_fresh_pictures_are_looked_at_where_they_are_asked_for(
    museum: Museum, change: dict[str, Any], fetched: set[str]
) -> None:
    museum.job()
    museum.execute(
        "UPDATE picture_seen SET seen_at = now() - interval '1 day' WHERE record_id = '/1/a'"
    )
    before = museum.rows("SELECT count(*) FROM embedding")
    outcome = museum.job(**change)
    assert set(museum.asked) == fetched
    assert outcome.read == 4 - len(fetched)
    assert museum.rows("SELECT count(*) FROM embedding") == before  # the bytes are the same


def test_a_changed_address_or_picture_is_looked_at(museum: Museum) -> None:
    museum.job()
    museum.content["/1/new"] = picture(7)
    museum.execute("UPDATE record SET media_url = replace(media_url, '/1/a', '/1/new')")
    assert museum.job().read == 3
    assert museum.asked == ["/1/new"]
    (row,) = museum.rows("SELECT sha256 FROM picture_seen WHERE record_id = '/1/a'")
    assert bytes(row.sha256) == hashlib.sha256(picture(7)).digest()
    assert museum.job().read == 4


def test_what_failed_before_is_looked_at(museum: Museum) -> None:
    sound = museum.content["/1/b"]
    museum.content["/1/b"] = b"<!DOCTYPE html><html></html>"
    assert museum.job().errors.keys() == {"/1/b"}
    museum.content["/1/b"] = sound
    assert museum.job().read == 3
    assert museum.asked == ["/1/b"]


def test_a_thumbnail_does_not_answer_for_the_file(museum: Museum) -> None:
    museum.job()
    museum.execute("UPDATE picture_seen SET source = 'thumbnail'")
    assert museum.job(picture=PictureChoice.AUTO).read == 0
    assert len(museum.asked) == 4


def test_known_bytes_are_neither_decoded_nor_encoded_again(
    museum: Museum, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = museum.job()
    monkeypatch.setattr(Decoders, "pixels", None)  # whoever calls it fails
    again = museum.job(look_again=True)
    confidences = [
        {each.key: each.confidence for each in predictions(outcome)} for outcome in (looked, again)
    ]
    assert confidences[0] == confidences[1]


def test_what_others_kept_of_a_picture_meanwhile_counts(museum: Museum) -> None:
    """So the record says the same when it is read, and nothing is written then."""
    accepted = jobs.enqueue(museum.engine, IDS, jobs.JobOptions(picture="media", model="one"))
    lease = claim(museum.engine, accepted.job_id, 1)
    with museum.pool.use(*lease.routes.model_ids) as models:
        outcome = museum.pipeline.run(lease, models, on_record=lambda: None)
        assert outcome.newly_seen
        other = {
            picture: np.roll(vector, 1) for picture, vector in outcome.newly_seen.vectors.items()
        }
        with museum.engine.begin() as connection:
            keep_vectors(connection, outcome.newly_seen.encoder_id, other)
        museum.predict_again(lease, outcome, models)
    before = museum.rows("SELECT *, xmin::text FROM enrichment ORDER BY record_id, concept_uri")
    assert museum.job().read == 4
    assert before == museum.rows(
        "SELECT *, xmin::text FROM enrichment ORDER BY record_id, concept_uri"
    )


def test_a_picture_that_is_unlike_all_that_was_learned_gets_no_concept(museum: Museum) -> None:
    number = museum.promote("stranger", to_nothing(museum.encoder.dimension))
    for outcome in (museum.job(model=number), museum.job(model=number)):  # looked at, and read
        assert predictions(outcome) == []
        assert all(said.is_unlike for said in outcome.predicted.values())
    counted = museum.rows("SELECT unlike, read, below_threshold FROM job_chunk ORDER BY read")
    assert counted == [(4, 0, 0), (4, 4, 0)]


def test_what_others_kept_counts_for_likeness_too(museum: Museum) -> None:
    """They kept an embedding that is unlike what was learned, where the own one is like it."""
    seen = museum.job()
    assert seen.newly_seen
    own = next(iter(seen.newly_seen.vectors.values()))
    number = museum.promote("friend", to_all_near(own[np.newaxis]))
    museum.execute("TRUNCATE embedding, picture_seen")
    accepted = jobs.enqueue(museum.engine, IDS, jobs.JobOptions(picture="media", model="friend"))
    lease = claim(museum.engine, accepted.job_id, 1)
    with museum.pool.use(number) as models:
        outcome = museum.pipeline.run(lease, models, on_record=lambda: None)
        assert outcome.newly_seen
        assert not any(said.is_unlike for said in outcome.predicted.values())
        elsewhere, *_ = to_nothing(museum.encoder.dimension).references
        with museum.engine.begin() as connection:
            pictures = dict.fromkeys(outcome.newly_seen.vectors, elsewhere)
            keep_vectors(connection, outcome.newly_seen.encoder_id, pictures)
        museum.predict_again(lease, outcome, models)
    status = jobs.status(museum.engine, accepted.job_id)
    assert (status.unlike, status.enriched) == (4, 0)
    assert (
        museum.rows("SELECT 1 FROM enrichment WHERE job_id = '" + str(accepted.job_id) + "'") == []
    )
    ((said,),) = museum.rows(f"SELECT said -> '{number}' FROM job_chunk WHERE said ? '{number}'")
    assert said["Louvre"][:3] == [4, 0, 4]


def test_explained_jobs_look(museum: Museum) -> None:
    museum.job()
    outcome = museum.job(explain=True)
    assert (outcome.read, len(museum.asked)) == (0, 4)
    assert outcome.pictures.keys() == {each.image_url for each in predictions(outcome)}


def test_a_disk_that_is_full_in_the_middle_leaves_nothing_half_written(museum: Museum) -> None:
    museum.execute("""
        CREATE FUNCTION be_full() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$
    """)
    museum.execute(
        "CREATE TRIGGER be_full AFTER INSERT ON picture_seen"
        " FOR EACH STATEMENT EXECUTE FUNCTION be_full()"
    )
    with pytest.raises(OperationalError):
        museum.job()
    for table in ("embedding", "picture_seen", "enrichment"):
        assert museum.rows(f"SELECT 1 FROM {table}") == []
    museum.execute("DROP TRIGGER be_full ON picture_seen")
    assert len(museum.job().predicted) == 4


def test_a_picture_that_cannot_be_kept_fails_alone(
    museum: Museum, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(rows: Any) -> Any:
        raise ValueError("the embedding of a picture is zero, or has a number that is not finite")

    monkeypatch.setattr("worker.enrich.pipeline.halved", refuse)
    outcome = museum.job("/1/a")
    assert {key: error.reason for key, error in outcome.errors.items()} == {
        "/1/a": "runtime_failed"
    }
    assert museum.rows("SELECT 1 FROM embedding") == []
