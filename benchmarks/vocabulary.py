"""How long it takes to save a large vocabulary, from a Turtle file to the store.

    python -m benchmarks.vocabulary [--concepts 10000]

The concepts have labels, alternatives and definitions in three languages, and each has ten narrower
ones. The time is that of the whole process of `harvester vocabulary import`: its start, the parsing
by rdflib, the checks and the writing. Each of five runs imports another version.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from benchmarks.parts.report import at_most, finish
from benchmarks.parts.services import migrate, program
from deploy.local import local_services

RUNS = 5
MOST_SECONDS = 10.0
PREFIX = "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n"
CONCEPT = """
<http://example.org/concept/{number}> a skos:Concept ;
    skos:prefLabel "thing {number}"@en, "Ding {number}"@de, "πράγμα {number}"@el ;
    skos:altLabel "object {number}"@en, "Gegenstand {number}"@de, "αντικείμενο {number}"@el ;
    skos:definition "Thing {number} in version {version} of the file."@en ;
    skos:exactMatch <http://vocab.getty.edu/aat/{number}> ; skos:notation "{number}" {broader}.
"""


def main(concepts: Annotated[int, typer.Option(min=10)] = 10_000) -> None:
    with tempfile.TemporaryDirectory() as name, local_services() as services:
        url = services.postgres.database_url("postgres")
        migrate(url)
        path = Path(name) / "thesaurus.ttl"
        seconds = []
        for version in range(RUNS):
            path.write_text(_turtle(concepts, version), encoding="utf-8")
            seconds.append(_import(path, url))
            sys.stderr.write(f"  {seconds[-1]:.2f} s\n")
    figures = {"concepts": concepts, "seconds": round(median(seconds), 2)}
    finish(figures=figures, bars={"seconds": at_most(MOST_SECONDS)})


def _turtle(concepts: int, version: int) -> str:
    lines = [PREFIX]
    for number in range(concepts):
        above = f"; skos:broader <http://example.org/concept/{number // 10}> " if number else ""
        lines.append(CONCEPT.format(number=number, version=version, broader=above))
    return "".join(lines)


def _import(path: Path, database_url: str) -> float:
    command = program("harvester", "vocabulary", "import", str(path))
    started = time.monotonic()
    environment = os.environ | {"DATABASE_URL": database_url}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


if __name__ == "__main__":
    typer.run(main)
