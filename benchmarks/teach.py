"""Teaching: how much fifty and a hundred verdicts bring to a museum that was never seen.

    python -m benchmarks.teach [--draws 30]

It needs ../shared, which is not part of the repository.

Each of three museums in turn is the unseen one: heads on a MobileNetV2 learn from the other two.
Verdicts are simulated from the labels of its catalogue: right, or wrong with the right concept.
They go into a real store as the desk keeps them, and teach as the teacher lets them. Accuracies are
those on the museum's records that were not judged; each draw judges other records. `chosen` ones
are those that the desk says to judge next, ten at a time, and after fifty by the heads that fifty
taught. They are compared with `random` ones on the records that neither judged: of the hard records
more are judged where they are chosen.

Then 10,000 records have suggestions of a first model, and a hundred verdicts. Timed is all from the
wish for a refit, to a running teacher, until a running worker has renewed the last suggestion.

The labels are keywords, wrong here and there, which caps the accuracies. The grid of weights was
chosen on these museums, so the figures flatter it a little.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any
from uuid import UUID

import numpy as np
import typer
from sqlalchemy import text

from benchmarks.parts.museums import (
    URL,
    MuseumStore,
    UnseenMuseum,
    add_seen,
    museum_store,
)
from benchmarks.parts.photographs import missing
from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.services import program, running, wait_for
from benchmarks.parts.simulated_verdicts import (
    COUNTS,
    TaughtAccuracy,
    at_random,
    by_the_desk,
    draw,
    say,
)
from common.store.bulk import copy_rows
from common.store.in_service import begin_service
from common.store.tables import PictureChoice
from common.store.teaching.refits import RefitStatus, ask_refit, refit_status
from desk.teaching.renewal import renew
from worker import jobs

SUGGESTIONS = 10_000
LARGE = "A large museum"


def accuracies(place: MuseumStore, draws: int) -> dict[str, Any]:
    """The accuracies of all museums."""
    figures: dict[str, Any] = {"start": {}, "by_museum": {}}
    beyond: dict[int, list[float]] = {count: [] for count in COUNTS}
    means: dict[str, list[float]] = {}
    for museum in place.museums:
        said = museum.base.heads.probabilities(museum.embeddings).argmax(axis=1)
        figures["start"][museum.name] = round(float((said == museum.labels).mean()), 4)
        runs: list[tuple[dict[int, TaughtAccuracy], dict[int, TaughtAccuracy]]] = []
        for seed in range(draws):
            chosen = draw(place, museum, by_the_desk(place, museum, seed))
            runs.append((chosen, draw(place, museum, at_random(museum, seed))))
        for count in COUNTS:
            for name, place_of in (("chosen", 0), ("random", 1)):
                mean = fmean(run[place_of][count].on_others for run in runs)
                means.setdefault(f"{name}_{count}", []).append(mean)
            beyond[count].append(fmean(run[0][count].beyond(run[1][count]) for run in runs))
        shown = {name: round(values[-1], 4) for name, values in means.items()}
        sys.stderr.write(f"{museum.name}: {figures['start'][museum.name]} {shown}\n")
        figures["by_museum"][museum.name] = shown
    figures["start"]["mean"] = round(fmean(figures["start"].values()), 4)
    figures |= {f"accuracy_{name}": round(fmean(each), 4) for name, each in means.items()}
    return figures | {f"chosen_beyond_random_{n}": round(fmean(beyond[n]), 4) for n in COUNTS}


def renewal(place: MuseumStore, folder: Path) -> dict[str, Any]:
    """The time from the wish for a refit until all suggestions are renewed, with its parts."""
    museum = place.museums[-1]
    copies = add_copies(place, museum)
    with place.engine.begin() as connection:
        begin_service(connection, museum.base.stored.id)
    with services(place, folder):
        options = jobs.JobOptions(picture=PictureChoice.MEDIA)
        job = jobs.enqueue(place.engine, copies.records, options).job_id
        wait_for(lambda: jobs.status(place.engine, job).state == "done")
        _until_over(place, job)  # the teacher is awake; there are no verdicts yet
        with place.engine.begin() as connection:
            say(connection, copies, copies.records[: max(COUNTS)])
        began = time.perf_counter()
        done = _until_over(place, job)
        refitted = time.perf_counter()
        assert done.result is not None, done.problem
        renewed = renew(place.engine, done.id)
        assert renewed is not None
        wait_for(lambda: jobs.status(place.engine, renewed).state == "done")
        ended = time.perf_counter()
        status = jobs.status(place.engine, renewed)
    return {
        "suggestions": status.total,
        "read_share": round(status.read / status.total, 3),
        "old_labels": done.result["old_labels"],
        "refit_seconds": round(refitted - began, 2),
        "renewal_seconds": round(ended - refitted, 2),
        "refit_and_renewal_seconds": round(ended - began, 2),
    }


def add_copies(place: MuseumStore, museum: UnseenMuseum) -> UnseenMuseum:
    """A museum of many records, of which several show the same picture of another museum."""
    rows = np.arange(SUGGESTIONS) % len(museum.records)
    records = tuple(f"/9/copy_{number}" for number in range(SUGGESTIONS))
    seen = text("SELECT record_id, sha256 FROM picture_seen WHERE record_id = ANY(:ids)")
    with place.engine.begin() as connection:
        found = connection.execute(seen, {"ids": list(museum.records)})
        picture = {row.record_id: bytes(row.sha256) for row in found}
        columns = ("id", "data_provider", "media_url")
        copy_rows(
            connection, "record", columns, ((each, LARGE, URL.format(each)) for each in records)
        )
    shown = (picture[museum.records[row]] for row in rows)
    add_seen(place.engine, dict(zip(records, shown, strict=True)))
    return replace(
        museum,
        name=LARGE,
        records=records,
        embeddings=museum.embeddings[rows],
        labels=museum.labels[rows],
    )


@contextmanager
def services(place: MuseumStore, folder: Path) -> Iterator[None]:
    """A worker and a teacher with their defaults."""
    environment = {
        "MODEL_DIR": str(place.model_dir),
        "WORKER_CACHE_DIR": str(folder / "exports"),
        "EUROPEANA_API_KEY": "none",  # all records are in the store
    }
    worker, teacher = program("worker", "run"), program("trainer", "teacher")
    with running(worker, environment), running(teacher, environment):
        yield


def _until_over(place: MuseumStore, job: UUID) -> RefitStatus:
    """Wish for a refit, and wait for what comes of it."""
    with place.engine.begin() as connection:
        number = ask_refit(
            connection,
            model_id=place.museums[-1].base.stored.id,
            data_provider=LARGE,
            job_id=job,
        )

    def status() -> RefitStatus:
        with place.engine.connect() as connection:
            found = refit_status(connection, number)
        assert found is not None
        return found

    wait_for(lambda: status().is_over)
    return status()


def main(
    draws: Annotated[int, typer.Option(min=1, help="Of verdicts, for each museum.")] = 30,
) -> None:
    """Measure and report."""
    if absent := missing():
        typer.echo(f"skipped: there is no {absent}")
        return
    with tempfile.TemporaryDirectory() as name, museum_store(Path(name)) as place:
        timed = renewal(place, Path(name))
        sys.stderr.write(f"{timed}\n")
        figures = timed | accuracies(place, draws)
    bars = {f"accuracy_{kind}_50": at_least(0.71) for kind in ("chosen", "random")}
    bars |= {f"accuracy_{kind}_100": at_least(0.735) for kind in ("chosen", "random")}
    bars |= {f"chosen_beyond_random_{count}": at_least(-0.01) for count in COUNTS}
    finish(
        figures={"draws": draws} | figures,
        bars=bars | {"refit_and_renewal_seconds": at_most(10)},
    )


if __name__ == "__main__":
    typer.run(main)
