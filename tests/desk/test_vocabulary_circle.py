"""A vocabulary of five concepts in three languages, from a Turtle file to the desk and exports.

Harvest, training, worker and desk are real processes; Europeana is the sandbox.
"""

import csv
import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from common.store.session import open_store
from deploy.demo import sandbox_environment
from deploy.sandbox.collection import CATEGORIES, draw_collection
from deploy.sandbox.server import Sandbox
from tests.desk.desk_process import desk_process
from tests.desk.test_circle import MUSEUM, run, running
from tests.desk.visiting import visiting
from tests.worker.on_encoder import add_encoder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LABELS = {
    "building": ("building", "κτίριο", "сграда"),
    "ceramics": ("ceramics", "κεραμικά", "керамика"),
    "jewellery": ("jewellery / ornaments", "κοσμήματα", "бижута"),
    "map": ("map", "χάρτης", "карта"),
    "painting": ("painting", "ζωγραφική", "живопис"),
}
TURTLE = "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n" + "".join(
    f"<http://example.org/concept/{name}> a skos:Concept ;\n"
    f'    skos:prefLabel "{english}"@en, "{greek}"@el, "{bulgarian}"@bg ;\n'
    f"    skos:exactMatch <{CATEGORIES[name].concept}> .\n"
    for name, (english, greek, bulgarian) in LABELS.items()
)
JEWELLERY = "http://example.org/concept/jewellery"


@pytest.fixture
def folder(tmp_path: Path, database_url: str, broker_url: str, monkeypatch):
    with Sandbox(draw_collection(items=300)) as sandbox:
        settings = sandbox_environment(sandbox) | {
            f"{name}_DIR": str(tmp_path / name.lower())
            for name in ("IMAGE", "MODEL", "HEATMAP", "EXPERIMENT")
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "museum.ttl").write_text(TURTLE)
        ids = [each.id for each in sandbox.catalogue.items if each.data_provider == MUSEUM]
        (tmp_path / "ids.txt").write_text("".join(f"{each}\n" for each in ids))
        yield tmp_path


def trained(folder: Path) -> None:
    """Records of the concepts' exact matches, and a model of them in service."""
    run("harvester", "vocabulary", "import", str(folder / "museum.ttl"))
    dataset = ("--dataset", "drawn")
    run("harvester", "records", "--vocabulary", "museum", "--n", "20", *dataset)
    run("harvester", "images", *dataset, "--saving-dir", str(folder / "by_category"))
    engine = open_store()
    add_encoder(engine, folder / "model", name="lite", network="torchvision:resnet18", size=64)
    engine.dispose()
    heads = ("--encoder", "lite", "--folds", "2")
    run("trainer", "train", *dataset, *heads, "--experiment-name", "heads")
    run("trainer", "promote", "heads", "--precision", "0.2", "--floor", "0.2", "--activate")


def test_greek_and_bulgarian_labels_go_from_a_file_to_the_desk_and_the_exports(
    folder: Path, browser: Browser
) -> None:
    trained(folder)
    assert sorted(path.name for path in (folder / "by_category").iterdir()) == [
        "building", "ceramics", "jewellery_ornaments", "map", "painting",
    ]  # fmt: skip
    with running("worker", "run", log=folder / "worker.log"):
        job = run("worker", "enqueue", str(folder / "ids.txt"))
        run("worker", "status", job, "--watch")
    check_exports(folder, job)
    check_desk(folder, browser)


def check_exports(folder: Path, job: str) -> None:
    run("worker", "export", job, str(folder / "out.csv"), "--lang", "bg")
    with (folder / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    for row in rows:
        english, greek, bulgarian = LABELS[row["concept"].rpartition("/")[2]]
        assert row["label"] == row["label_bg"] == bulgarian
        assert (row["label_en"], row["label_el"]) == (english, greek)
    listed = json.loads(run("harvester", "vocabulary", "list", "--json"))
    assert [(each["name"], each["datasets"], each["models"]) for each in listed] == [
        ("museum", ["drawn"], ["heads@1"])
    ]


def check_desk(folder: Path, browser: Browser) -> None:
    greek = [each[1] for each in LABELS.values()]
    with desk_process(folder) as desk, visiting(browser, locale="el-GR") as visit:
        visit.page.goto(desk.url)
        shown = visit.page.locator(".card").first
        expect(shown).to_be_visible()
        assert any(label in shown.inner_text() for label in greek)
        assert visit.problems == []
