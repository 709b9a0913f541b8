"""`make demo`: the whole path on a small scale, with the usual commands.

Needs DATABASE_URL and BROKER_URL: `python -m deploy.local -- python -m deploy.demo` gives both.
Without SOURCE=europeana the APIs and image hosts are the sandbox; CATALOG may name a folder with
another catalogue to serve, WEIGHTS a file of mobilenet_v2 features to start from. The last line of
standard output is one JSON object.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from common.errors import EnrichmentError, UsageError
from common.europeana.api import EuropeanaApi, SearchQuery, concept_refinement
from common.process.settings import ApiSettings
from common.store.session import open_store
from common.store.tables import Outcome
from common.vocabulary.reading import load_vocabulary
from deploy.demo_commands import BIN, FOLDER, LOG, answer, console, load_trainer, run, worker
from deploy.demo_publishing import publish_and_withdraw, undescribed
from deploy.sandbox.catalogue import Catalogue, read_catalogue
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.server import Sandbox
from worker.jobs.report import report_job

NAME = "demo"
HEADS, LENIENT = "heads", "lenient_heads"  # models on the best fold's network as encoder
VOCABULARY = Path("vocabulary.json")
LOOPBACK = "127.0.0.0/8"

FOLDERS = {
    "IMAGE_DIR": str(FOLDER / "images"),
    "MODEL_DIR": str(FOLDER / "models"),
    "HEATMAP_DIR": str(FOLDER / "heatmaps"),
    "EXPERIMENT_DIR": str(FOLDER / "experiments"),
    "DESK_CACHE_DIR": str(FOLDER / "desk_cache"),
}


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The size of the demo.

    `per_category` records to train on, `unseen` records to enrich, and the precision that each
    concept must reach. `former_ids` are old IDs of records in a list, `undescribed` what the
    pictures show of records that do not say it: concepts by ID.
    """

    per_category: int
    unseen: int
    precision: float
    former_ids: tuple[str, ...] = ()
    undescribed: Mapping[str, str] = field(default_factory=dict)


FROM_SCRATCH = (
    *("--arch", "resnet18", "--input-size", "48", "--batch-size", "16"),
    *("--folds", "2", "--epochs", "6"),
)
FINE_TUNED = (
    *("--arch", "mobilenet_v2", "--input-size", "96", "--learning-rate", "0.0005"),
    *("--folds", "2", "--epochs", "4"),
)
MORE_LENIENT = 0.1  # the second model promises less
DRAWN = Scale(per_category=50, unseen=200, precision=0.8)
PHOTOGRAPHS = Scale(per_category=200, unseen=1000, precision=0.7)
UNDESCRIBED = 60  # records that do not say what their picture shows
LIVE = Scale(per_category=60, unseen=200, precision=0.7)


def main() -> int:
    """Run the demo; returns the exit code."""
    if sys.argv[1:]:
        console.print(__doc__, markup=False)
        return 0 if sys.argv[1:] in (["--help"], ["-h"]) else UsageError.exit_code
    try:
        with _source() as scale:
            summary = _walk(scale)
    except EnrichmentError as error:
        console.print(f"error: {error}", markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    sys.stdout.write(json.dumps(summary) + "\n")
    return 0


@contextmanager
def _source() -> Iterator[Scale]:
    """Sets the addresses of the APIs in the environment of the commands."""
    source, catalogue = os.environ.get("SOURCE", "sandbox"), os.environ.get("CATALOG")
    if source == "europeana":
        ApiSettings.read()
        yield LIVE
    elif source == "sandbox":
        with Sandbox(demo_catalogue()) as sandbox:
            os.environ |= sandbox_environment(sandbox)
            former_ids = (*sandbox.catalogue.moved, *sorted(sandbox.catalogue.deleted))
            if catalogue:
                yield replace(PHOTOGRAPHS, former_ids=former_ids)
            else:
                silent = undescribed(sandbox.catalogue)
                yield replace(DRAWN, former_ids=former_ids, undescribed=silent)
    else:
        raise UsageError(f"SOURCE is {source!r}; expected sandbox or europeana.")


def demo_catalogue() -> Catalogue:
    """The catalogue that CATALOG names, or a drawn collection."""
    folder = os.environ.get("CATALOG")
    return read_catalogue(Path(folder)) if folder else draw_collection(undescribed=UNDESCRIBED)


def sandbox_environment(sandbox: Sandbox) -> dict[str, str]:
    """The settings of all programs, with the demo's folders and this sandbox."""
    return {
        "EUROPEANA_API_URL": sandbox.url,
        "EUROPEANA_API_KEY": sandbox.key,
        "EUROPEANA_AUTH_URL": sandbox.auth_url,
        "EUROPEANA_CLIENT_ID": sandbox.client.id,
        "EUROPEANA_CLIENT_SECRET": sandbox.client.secret,
        "FETCH_ALLOW_ADDRESSES": LOOPBACK,
        "FETCH_REQUESTS_PER_SECOND": "100",
        "FETCH_REQUESTS_AT_A_TIME": "8",
        "WORKER_RETRY_DELAYS": "1,2",
        "WORKER_ASK_SECONDS": "0.5",
        **FOLDERS,
    }


def _walk(scale: Scale) -> dict[str, Any]:
    os.environ |= FOLDERS
    FOLDER.mkdir(exist_ok=True)
    load_trainer()
    run("enrichment", "prepare")
    _refuse_used_store()
    _harvest(scale)
    _train()
    with worker():  # it loads torch during the training of heads
        _promote(scale)
        job, second = _enrich(scale)
    exports = [str(FOLDER / "enrichments.csv"), str(FOLDER / "annotations.jsonl")]
    for export in exports:
        run("worker", "export", job, export)
    summary = _summary(job, second, exports) | publish_and_withdraw(job, scale.undescribed)
    _tell(summary, job)
    return summary


def _refuse_used_store() -> None:
    with open_store().connect() as connection:
        if connection.execute(text("SELECT count(*) FROM dataset")).scalar_one():
            raise UsageError(
                "The store at DATABASE_URL has datasets. The demo needs an empty store."
            )


def _harvest(scale: Scale) -> None:
    number = str(scale.per_category)
    run("harvester", "records", "--vocab-json", str(VOCABULARY), "--n", number, "--dataset", NAME)
    run("harvester", "images", "--dataset", NAME, "--saving-dir", str(FOLDER / "training_data"))


def _train() -> None:
    weights = os.environ.get("WEIGHTS")
    training = (*FINE_TUNED, "--weights", weights) if weights else FROM_SCRATCH
    run("trainer", "train", "--dataset", NAME, "--experiment-name", NAME, *training)
    run("trainer", "encoders", "add", NAME, "--experiment", NAME)


def _promote(scale: Scale) -> None:
    heads = ("--encoder", NAME, "--folds", "3", "--experiment-name", HEADS)
    run("trainer", "train", "--dataset", NAME, *heads, is_told=False)
    run("trainer", "promote", HEADS, "--precision", f"{scale.precision:g}", "--activate")
    promises = ("--name", LENIENT, "--precision", f"{scale.precision - MORE_LENIENT:g}")
    run("trainer", "promote", HEADS, *promises, is_told=False)


def _enrich(scale: Scale) -> tuple[str, str]:
    """Enqueue records that the trainer has not seen, and wait until the worker has enriched them.

    Returns:
        The jobs of the active model, and of a second one, which uses the embeddings of the first.
    """
    unseen = FOLDER / "unseen.txt"
    record_ids = (*_unseen(scale.unseen), *scale.undescribed, *scale.former_ids)
    unseen.write_text("".join(f"{record_id}\n" for record_id in record_ids))
    enqueue = ("worker", "enqueue", str(unseen), "--picture", "auto")
    job = answer(*enqueue)
    run("worker", "status", job, "--watch")
    second = answer(*enqueue, "--model", LENIENT)
    run("worker", "status", second, "--watch", is_told=False)
    return job, second


def _unseen(number: int) -> list[str]:
    """Records of the vocabulary's concepts that are not in the dataset."""
    with open_store().connect() as connection:
        seen = set(connection.execute(text("SELECT id FROM record")).scalars())
    refinements = (concept_refinement(load_vocabulary(VOCABULARY).values()),)
    query = SearchQuery(refinements=(*refinements, "TYPE:IMAGE"), sort="random_1,europeana_id")
    found: list[str] = []
    with EuropeanaApi(ApiSettings.read()) as api:
        for page in api.search(query):
            found += [record.id for record in page.records if record.id not in seen]
            if len(found) >= number:
                break
    return found[:number]


def _summary(job: str, second: str, exports: list[str]) -> dict[str, Any]:
    engine = open_store()
    status, read = vars(report_job(engine, UUID(job))), report_job(engine, UUID(second)).read
    results = json.loads((FOLDER / "experiments" / HEADS / "summary.json").read_text())
    with engine.connect() as connection:
        counted = connection.execute(text("SELECT state, count(*) FROM image GROUP BY state"))
        states = {row.state: row.count for row in counted}
        records = connection.execute(
            text("SELECT count(DISTINCT record_id) FROM dataset_item")
        ).scalar_one()
    stored = states.pop("stored", 0)
    return {
        "records": records,
        "images": stored,
        "image_failures": sum(states.values()),
        "folds": results["folds"],
        "accuracy": round(results["accuracy"]["mean"], 4),
        **{name: status[name] for name in Outcome},
        "read": read,
        "exports": exports,
    }


def _tell(summary: dict[str, Any], job: str) -> None:
    console.rule("What the demo did")
    console.print(
        f"Harvested {summary['records']} records and {summary['images']} pictures; "
        f"{summary['image_failures']} could not be loaded.\nTrained an encoder, and heads on it "
        f"in {summary['folds']} folds: mean test accuracy {summary['accuracy']:.3f}.\nOf "
        f"{sum(summary[name] for name in Outcome)} records that the trainer had not seen, "
        f"{summary['enriched']} were enriched, {summary['unlike']} were too different from the "
        f"training pictures,\n{summary['below_threshold']} had no concept above its threshold, "
        f"{summary['blocked']} were blocked by decisions, {summary['failed']} failed.\nA second "
        f"model used the saved embeddings of {summary['read']} of them, without fetching the "
        f"pictures again.\n{_published(summary)}\nThe whole output: {LOG}\nAsk the store:    "
        f"{BIN / 'python'} -m deploy.local --data {FOLDER / 'services'} -- {BIN / 'worker'} "
        f"status {job}\n\nLook at:\n  the training     "
        f"{FOLDER / 'experiments' / HEADS / 'report.html'}\n  the enrichments  "
        f"{' and '.join(summary['exports'])}\n  the pictures     "
        f"{FOLDER / 'training_data'}, by category\n  web pages        type: make desk",
        soft_wrap=True,  # a command on several lines cannot be copied
    )


def _published(summary: dict[str, Any]) -> str:
    if not summary["published"]:
        return ""
    return (
        f"Published {summary['published']} confirmed statements to the sandbox's Annotation API, "
        f"and withdrew {summary['withdrawn']} of them.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
