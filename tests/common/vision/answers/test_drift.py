"""What models say of each data provider's pictures, beside what they said at promotion."""

import io
import json
from collections.abc import Iterator, Mapping
from uuid import UUID

import pytest
from rich.console import Console
from sqlalchemy import Engine, text

from common.errors import StoreError
from common.store.session import open_store
from common.vision.answers import drift
from common.vision.answers.drift import LEAST_PICTURES, drift_of_job, drift_of_model
from common.vision.answers.tally import BINS, DRIFTED, Tally

PROMOTION = Tally.of_counts((1000, 800, 100, *(0,) * (BINS - 2), 100, 800))
MUSEUM = "Museum of the World's Longest Names of Museums and Galleries, Department of Prints"


def of_confidence(pictures: int, *, bin: int, unlike: int = 0) -> Tally:
    """Pictures of which all but the unlike ones have confidences in one bin; nothing is written."""
    confidences = [0] * BINS
    confidences[bin] = pictures - unlike
    return Tally.of_counts((pictures, 0, unlike, *confidences))


class Jobs:
    """A store with two models, of which the first has a promise, and their jobs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        promise = {"said": {**tally_as_json(PROMOTION)}, "providers": {"Louvre": 1000}}
        self.promised = self._model("promised", json.dumps(promise))
        self.plain = self._model("plain", None)

    def _model(self, name: str, promise: str | None) -> int:
        statement = text("""
            INSERT INTO model (name, version, path, sha256, labels, thresholds, promise)
            VALUES (:name, 1, :name, :sha256, '{}', '{}', CAST(:promise AS jsonb)) RETURNING id
        """)
        sha256 = f"{sum(name.encode()):064}"
        with self.engine.begin() as connection:
            values = {"name": name, "sha256": sha256, "promise": promise}
            number: int = connection.execute(statement, values).scalar_one()
        return number

    def job(self, *chunks: Mapping[int, Mapping[str, Tally]] | None) -> UUID:
        """A job whose chunks were settled one after the other, the last one a second ago."""
        with self.engine.begin() as connection:
            new = text(
                "INSERT INTO job (model_id, routes)"
                " VALUES (:id, jsonb_build_object('Prado', CAST(:also AS int))) RETURNING id"
            )
            models = {"id": self.promised, "also": self.plain}
            job_id: UUID = connection.execute(new, models).scalar_one()
            for place, said in enumerate(chunks):
                settled = text("""
                    INSERT INTO job_chunk (job_id, number, record_ids, state, settled_at, said)
                    VALUES (:job_id, :number, '{}', 'done',
                            now() - make_interval(secs => :seconds), CAST(:said AS jsonb))
                """)
                chunk = {"job_id": job_id, "number": place + 1, "seconds": len(chunks) - place}
                connection.execute(settled, chunk | {"said": as_kept(said)})
        return job_id


def tally_as_json(tally: Tally) -> dict[str, object]:
    pictures, written, unlike, *confidences = tally.counts
    counts = {"pictures": pictures, "written": written, "unlike": unlike}
    return {**counts, "confidences": confidences}


def as_kept(said: Mapping[int, Mapping[str, Tally]] | None) -> str | None:
    if said is None:
        return None
    return json.dumps(
        {
            model: {provider: tally.counts for provider, tally in by_provider.items()}
            for model, by_provider in said.items()
        }
    )


@pytest.fixture
def jobs(database_url: str) -> Iterator[Jobs]:
    engine = open_store()
    yield Jobs(engine)
    engine.dispose()


def test_chunks_add_up_by_model_and_provider_the_largest_first(jobs: Jobs) -> None:
    job_id = jobs.job(
        {jobs.promised: {"Louvre": PROMOTION, "Prado": of_confidence(60, bin=2)}},
        None,  # by a worker that did not keep it
        {
            jobs.promised: {"Prado": of_confidence(60, bin=2), "": of_confidence(9, bin=0)},
            jobs.plain: {"Louvre": of_confidence(5, bin=9, unlike=5)},
        },
    )
    jobs.job({jobs.plain: {"Uffizi": PROMOTION}})
    promised, plain = drift_of_job(jobs.engine, job_id)
    assert (promised.model, promised.at_promotion) == ("promised v1", PROMOTION)
    assert [each.data_provider for each in promised.providers] == ["Louvre", "Prado", ""]
    louvre, prado, unknown = promised.providers
    assert (louvre.index, louvre.has_drifted) == (0, False)
    assert (prado.now.pictures, prado.now.confidence) == (120, pytest.approx(0.25))
    assert prado.index is not None
    assert prado.index > DRIFTED
    assert prado.has_drifted
    assert (unknown.index, unknown.has_drifted) == (None, False)  # of nine pictures
    assert (plain.model, plain.at_promotion) == ("plain v1", None)
    assert plain.providers[0].index is None
    assert not plain.providers[0].has_drifted


def test_a_model_has_what_it_said_in_all_its_jobs(jobs: Jobs) -> None:
    for _ in range(2):
        jobs.job({jobs.promised: {"Louvre": of_confidence(50, bin=9)}})
    found = drift_of_model(jobs.engine, jobs.promised)
    assert found is not None
    assert found.of_all.now.pictures == LEAST_PICTURES
    assert drift_of_model(jobs.engine, jobs.plain) is None
    assert drift_of_job(jobs.engine, UUID(int=0)) == []


def test_of_many_chunks_the_newest_are_counted(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = jobs.job(*({jobs.plain: {f"museum {n}": of_confidence(1, bin=1)}} for n in range(5)))
    monkeypatch.setattr(drift, "MOST_CHUNKS", 3)
    (plain,) = drift_of_job(jobs.engine, job_id)
    assert {each.data_provider for each in plain.providers} == {f"museum {n}" for n in (2, 3, 4)}
    assert plain.title == "plain v1 said, by data provider (its newest 3 chunks):"


@pytest.mark.parametrize("width", [80, 150])
def test_ten_data_providers_are_shown_in_any_width(jobs: Jobs, width: int) -> None:
    names = [MUSEUM, *(f"museum {number}" for number in range(12))]
    said = {name: of_confidence(500 - place, bin=3) for place, name in enumerate(names)}
    (promised,) = drift_of_job(jobs.engine, jobs.job({jobs.promised: said}))
    shown = io.StringIO()
    Console(width=width, file=shown).print(promised.table())
    lines = [line.strip() for line in shown.getvalue().splitlines()]
    assert max(map(len, lines)) <= width
    assert sum(line.startswith(("museum", "Museum")) for line in lines) == drift.SHOWN
    (rest,) = [line.split() for line in lines if line.startswith("3 more")]
    assert rest == ["3", "more", f"{490 + 489 + 488:,}", "0.0%", "0.0%", "0.35"]
    (promotion,) = [line.split() for line in lines if line.startswith("at promotion")]
    assert promotion == ["at", "promotion", "1,000", "80.0%", "10.0%", "0.94"]
    assert sum("drifted" in line for line in lines) == drift.SHOWN + 1


def test_of_few_pictures_no_drift_is_shown(jobs: Jobs) -> None:
    said = {"Prado": of_confidence(LEAST_PICTURES - 1, bin=2)}
    (promised,) = drift_of_job(jobs.engine, jobs.job({jobs.promised: said}))
    shown = io.StringIO()
    Console(width=100, file=shown).print(promised.table())
    (prado,) = [line.split() for line in shown.getvalue().splitlines() if "Prado" in line]
    assert prado == ["Prado", "99", "0.0%", "0.0%", "0.25"]


@pytest.mark.parametrize("damage", ["promise", "said"])
def test_damaged_tallies_are_said(jobs: Jobs, damage: str) -> None:
    job_id = jobs.job({jobs.promised: {"Louvre": PROMOTION}})
    broken = {
        "promise": "UPDATE model SET promise = jsonb_set(promise, '{said,written}', '99999')",
        "said": "UPDATE job_chunk SET said = jsonb_set(said, CAST(:place AS text[]), '99999')",
    }
    place = [str(jobs.promised), "Louvre", "1"]
    with jobs.engine.begin() as connection:
        statement = text(broken[damage])
        connection.execute(statement, {"place": place} if damage == "said" else {})
    with pytest.raises(StoreError, match="predictions of promised v1 are damaged"):
        drift_of_job(jobs.engine, job_id)
