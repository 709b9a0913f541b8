"""Accuracy: how well the trainer's recipe for fine-tuning does on photographs, cross-validated.

    python -m benchmarks.training_accuracy [--only elements|museum] [--folder FOLDER]

Both parts are trained by `trainer train`, starting from the features of a MobileNetV2. They need
../shared, which is not part of the repository.

elements: 10,130 photographs of architectural elements, ten categories, five folds at 96 pixels,
with the recipe for given weights; accuracy of the out-of-fold predictions, all of it within 90
minutes on two cores.
museum: 1,928 photographs of objects from three museums, harvested from the sandbox into a store;
three folds of heads on each of two encoders, each fold tested on the museum that it has not seen;
macro F1, mean over the museums, and the minutes for embeddings and folds together. Macro F1 counts
every category alike, so class weights do as well. Nothing was chosen on the museum tested: the
strength of a head is found within its training part, and of the class weights each encoder has
those with which heads of one of the other two museums did better on the second.
"""

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import typer

from benchmarks.parts.report import Bar, at_least, at_most, finish
from common.europeana.vocabulary import load_vocabulary
from deploy.local import local_services
from deploy.sandbox.catalogue import read_catalogue
from deploy.sandbox.server import Sandbox
from trainer.experiment import Experiment

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"
WEIGHTS = SHARED / "weights" / "mobilenet_v2_features.safetensors"
LITE_WEIGHTS = SHARED / "weights" / "tf_efficientnet_lite0_features.safetensors"
ENCODERS = {
    "mobilenet": ("torchvision:mobilenet_v2.IMAGENET1K_V1", WEIGHTS, "sqrt"),
    "lite": ("timm:tf_efficientnet_lite0", LITE_WEIGHTS, "inverse"),
}
ELEMENTS = SHARED / "data" / "elements" / "train_val.zip"
MUSEUM = SHARED / "data" / "museum"
BIN = Path(sys.executable).parent
LOOPBACK = "127.0.0.0/8"

BARS = {
    "elements_accuracy": at_least(0.95),
    "elements_minutes": at_most(90),
    "museum_macro_f1_mobilenet": at_least(0.58),
    "museum_macro_f1_lite": at_least(0.58),
    "museum_minutes_mobilenet": at_most(2),
    "museum_minutes_lite": at_most(2),
}
Part = Literal["elements", "museum"]


def main(
    only: Annotated[Part | None, typer.Option(help="One part instead of both.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where to leave the experiments, for `trainer promote`.")
    ] = None,
) -> None:
    """Cross-validate on photographs and compare with the bars."""
    missing = [path for path in (WEIGHTS, LITE_WEIGHTS, ELEMENTS, MUSEUM) if not path.exists()]
    if missing:
        sys.stdout.write(f"skipped: there is no {missing[0]}\n")
        return
    parts: dict[Part, Callable[[Path], dict[str, Any]]] = {"elements": elements, "museum": museum}
    figures: dict[str, Any] = {}
    with _folder(folder) as saving_dir:
        for name in [only] if only else parts:
            figures |= parts[name](saving_dir)
    bars: dict[str, Bar] = {name: bar for name, bar in BARS.items() if name in figures}
    finish(figures=figures, bars=bars)


def elements(saving_dir: Path) -> dict[str, Any]:
    """Five folds over the photographs of a folder."""
    with TemporaryDirectory() as temporary:
        pictures, vocabulary = Path(temporary, "pictures"), Path(temporary, "vocabulary.json")
        with zipfile.ZipFile(ELEMENTS) as archive:
            archive.extractall(pictures)
        names = sorted(path.name for path in pictures.iterdir())
        concept = "http://data.europeana.eu/concept/{}"
        vocabulary.write_text(json.dumps({n: concept.format(i) for i, n in enumerate(names)}))
        began = time.monotonic()
        data = ("--data-dir", str(pictures), "--vocab-json", str(vocabulary))
        _train(saving_dir, "elements", *data, "--folds", "5", "--input-size", "96")
        minutes = (time.monotonic() - began) / 60
    results = Experiment(saving_dir, "elements").results()
    right = sum(result.test.accuracy * result.test.examples for result in results)
    return {
        "elements_accuracy": right / sum(result.test.examples for result in results),
        "elements_accuracy_by_fold": [result.test.accuracy for result in results],
        "elements_best_epochs": [f"{result.best_epoch} of {result.epochs}" for result in results],
        "elements_minutes": minutes,
    }


def museum(saving_dir: Path) -> dict[str, Any]:
    """Three folds over what the harvester brings into a store from three museums."""
    with (
        TemporaryDirectory() as images,
        local_services() as services,
        Sandbox(read_catalogue(MUSEUM)) as sandbox,
    ):
        os.environ |= {
            "DATABASE_URL": services.database_url,
            "EUROPEANA_API_URL": sandbox.url,
            "EUROPEANA_API_KEY": sandbox.key,
            "FETCH_ALLOW_ADDRESSES": LOOPBACK,
            "FETCH_REQUESTS_PER_SECOND": "100",
            "FETCH_REQUESTS_AT_A_TIME": "8",
            "IMAGE_DIR": images,
            "MODEL_DIR": str(Path(images, "models")),
        }
        _run("alembic", "upgrade", "head")
        vocabulary = Path(images, "vocabulary.json")
        vocabulary.write_text(json.dumps(_categories()))
        _run("harvester", "records", "--dataset", "museum", "--vocab-json", str(vocabulary))
        _run("harvester", "images", "--dataset", "museum")
        figures: dict[str, Any] = {}
        for name in ENCODERS:
            figures |= _heads(saving_dir, name)
    return figures


def _heads(saving_dir: Path, encoder: str) -> dict[str, Any]:
    """Three folds of heads on one encoder, the pictures embedded for the first time."""
    network, weights, class_weights = ENCODERS[encoder]
    _run("trainer", "encoders", "add", encoder, network, "--weights", str(weights))
    began = time.monotonic()
    data = ("--dataset", "museum", "--group-by", "provider", "--folds", "3")
    how = ("--encoder", encoder, "--class-weights", class_weights)
    where = ("--saving-dir", str(saving_dir), "--experiment-name", f"museum_{encoder}")
    _run("trainer", "train", *data, *how, *where)
    minutes = (time.monotonic() - began) / 60
    results = Experiment(saving_dir, f"museum_{encoder}").results()
    by_museum = [result.test.f1 for result in results]
    return {
        f"museum_macro_f1_{encoder}": sum(by_museum) / len(by_museum),
        f"museum_macro_f1_{encoder}_by_fold": by_museum,
        f"museum_minutes_{encoder}": minutes,
        "museum_pictures_by_fold": [result.test.examples for result in results],
    }


def _categories() -> dict[str, str]:
    """The concepts that the museums' objects have, out of the product's vocabulary."""
    lines = (MUSEUM / "catalog.jsonl").read_text(encoding="utf-8").splitlines()
    present = {json.loads(line)["category"] for line in lines}
    known = load_vocabulary(REPOSITORY / "vocabulary.json")
    return {label: known[label] for label in sorted(present)}


def _train(saving_dir: Path, name: str, *data: str) -> None:
    start = ("--arch", "mobilenet_v2", "--weights", str(WEIGHTS))
    where = ("--saving-dir", str(saving_dir), "--experiment-name", name)
    _run("trainer", "train", *data, *start, *where)


def _run(command: str, *arguments: str) -> None:
    """Run a command of the product; what it prints goes to standard error."""
    ended = subprocess.run(
        [str(BIN / command), *arguments], cwd=REPOSITORY, stdout=sys.stderr, check=False
    )
    if ended.returncode:
        raise SystemExit(f"{command} {arguments[0]} ended with exit code {ended.returncode}.")


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given.absolute()
        return
    with TemporaryDirectory() as temporary:
        yield Path(temporary)


if __name__ == "__main__":
    typer.run(main)
