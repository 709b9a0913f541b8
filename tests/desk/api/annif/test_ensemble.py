"""Annif itself, in an environment of its own, weighs texts and pictures together."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from common.vocabulary.concepts import Vocabulary, VocabularyConcept
from common.vocabulary.writing import written as as_file
from tests.desk.api.annif.drawn_model import KNOWN, drawn_model
from tests.desk.api.conftest import token
from tests.desk.museum import LABELS, MAP, PAINTING, Museum
from tests.desk.served import ServedDesk, served_desk

VERSION = "1.4.3"
SECONDS = 600.0  # to install it
FOLDER = Path(sys.prefix) / f"annif-{VERSION}"  # goes when the environment of the tests goes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * SECONDS)]

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "annif.md"
TEXT_PROJECT = f"""
[text]
name=Text
language=en
backend=dummy
vocab=objects
uri={PAINTING}
"""


@pytest.fixture(scope="session")
def annif() -> Path:
    """The program. It is installed once and stays for the next run."""
    installed = FOLDER / "installed"
    with FileLock(f"{FOLDER}.lock"):
        if not installed.exists():
            _run(sys.executable, "-m", "venv", "--clear", str(FOLDER))
            _run(str(FOLDER / "bin" / "python"), "-m", "pip", "install", f"annif=={VERSION}")
            installed.touch()
    return FOLDER / "bin" / "annif"


def _run(*command: str) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        pytest.skip(f"Annif cannot be installed: {said[-1]}")


@pytest.fixture
def desk(museum: Museum, tmp_path: Path) -> Iterator[ServedDesk]:
    drawn_model(museum, tmp_path)
    with served_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
def ensemble(annif: Path, desk: ServedDesk, museum: Museum, tmp_path: Path) -> Path:
    """A folder with the page's ensemble, whose texts are all about a painting."""
    folder = tmp_path / "annif"
    folder.mkdir()
    (projects,) = re.findall(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)
    base = desk.url.replace("//", f"//annif:{token(museum, 'annif')}@")
    for written, ours in [
        ("https://annif:TOKEN@desk.museum.example", base),
        ("/projects/pilot/", "/projects/drawn/"),
    ]:
        assert written in projects
        projects = projects.replace(written, ours)
    (folder / "projects.cfg").write_text(TEXT_PROJECT + projects)
    concepts = [
        VocabularyConcept(uri=uri, category=label, labels={"en": label})
        for uri, label in LABELS.items()
    ]
    (folder / "objects.ttl").write_text(as_file(Vocabulary.of(concepts), "turtle"))
    annif_says(annif, folder, "load-vocab", "objects", "objects.ttl")
    return folder


def annif_says(annif: Path, folder: Path, *arguments: str, text: str = "") -> str:
    ended = subprocess.run(
        [annif, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": ""},
        input=text,
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    assert "HTTP request failed" not in ended.stderr
    return ended.stdout


def suggested(annif: Path, folder: Path, *metadata: str, text: str = "a text") -> dict[str, float]:
    """The scores of the ensemble by concept."""
    fields = [part for each in metadata for part in ("--metadata", each)]
    said = annif_says(annif, folder, "suggest", "text-and-picture", *fields, text=text)
    rows = [line.split("\t") for line in said.splitlines()]
    return {uri.strip("<>"): float(score) for uri, _, score in rows}


def test_an_ensemble_weighs_texts_and_pictures(annif: Path, ensemble: Path) -> None:
    both = suggested(annif, ensemble, f"europeana_id={KNOWN}")
    assert set(both) == {MAP, PAINTING}
    as_text = suggested(annif, ensemble, text=KNOWN)
    assert as_text == both
    without_picture = suggested(annif, ensemble)
    assert without_picture == {PAINTING: pytest.approx(1 / 3, abs=1e-4)}
    lost = suggested(annif, ensemble, "europeana_id=/1/lost")
    assert lost == without_picture
    assert both[PAINTING] >= without_picture[PAINTING]


def test_annif_lists_the_model_as_a_trained_project(annif: Path, ensemble: Path) -> None:
    (line,) = [
        each
        for each in annif_says(annif, ensemble, "list-projects").splitlines()
        if each.startswith("picture ")
    ]
    assert "True" in line
