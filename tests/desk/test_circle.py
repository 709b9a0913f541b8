"""The whole circle by keyboard alone: see, judge, teach, prove; on the demo's data, in small.

Harvest, training, worker, teacher and desk are real processes; Europeana is the sandbox.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from common.store.session import open_store
from deploy.demo import sandbox_environment
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.server import Sandbox
from tests.desk.desk_process import PATIENCE, DeskProcess, desk_process
from tests.desk.museum import Museum
from tests.desk.visiting import Visit, visiting
from tests.forking import ROOT, ran, start
from tests.worker.on_encoder import add_encoder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

MUSEUM = "Lakeside Museum"
VERDICTS = 20


def run(*command: str) -> str:
    """A command of the product, to its end."""
    program, *arguments = command
    done = ran(f"{program}.cli", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def running(*command: str, log: Path) -> Iterator[None]:
    """A command of the product, as long as the block lasts."""
    program, *arguments = command
    process = start(f"{program}.cli", *arguments, environment=dict(os.environ), stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.join(PATIENCE)


@pytest.fixture
def folder(tmp_path: Path, database_url: str, broker_url: str, monkeypatch) -> Iterator[Path]:
    """A trained model, and a job of records that it has not seen, which a worker has done."""
    with Sandbox(draw_collection(items=300)) as sandbox:
        settings = sandbox_environment(sandbox) | {
            name: str(tmp_path / folder)
            for name, folder in (
                ("IMAGE_DIR", "images"),
                ("MODEL_DIR", "models"),
                ("HEATMAP_DIR", "heatmaps"),
                ("EXPERIMENT_DIR", "experiments"),
            )
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        vocabulary = str(ROOT / "vocabulary.json")
        dataset = ("--dataset", "drawn")
        run("harvester", "records", "--vocab-json", vocabulary, "--n", "20", *dataset)
        run("harvester", "images", *dataset)
        engine = open_store()
        add_encoder(
            engine, tmp_path / "models", name="lite", network="torchvision:resnet18", size=64
        )
        engine.dispose()
        heads = ("--encoder", "lite", "--folds", "2")
        run("trainer", "train", *dataset, *heads, "--experiment-name", "heads")
        careless = ("--precision", "0.2", "--floor", "0.2")  # the encoder has learned nothing
        run("trainer", "promote", "heads", *careless, "--activate")
        ours = [each.id for each in sandbox.catalogue.items if each.data_provider == MUSEUM]
        ids = tmp_path / "ids.txt"
        ids.write_text("".join(f"{each}\n" for each in ours))
        teacher = running("trainer", "teacher", log=tmp_path / "teacher.log")
        with running("worker", "run", log=tmp_path / "worker.log"), teacher:
            job = run("worker", "enqueue", str(ids))
            run("worker", "status", job, "--watch")
            yield tmp_path


@pytest.fixture
def desk(folder: Path) -> Iterator[DeskProcess]:
    with desk_process(folder) as desk:
        yield desk


def walk_to(visit: Visit, name: str) -> None:
    """Press Tab until something of this name has the focus."""
    for _ in range(150):
        visit.press("Tab")
        found = visit.page.evaluate("(document.activeElement?.textContent ?? '').trim()")
        if found == name:
            return
    raise AssertionError(f"nothing called {name!r} can be reached by keyboard")


def follow(visit: Visit, name: str) -> None:
    """Go where something of this name leads."""
    walk_to(visit, name)
    enter(visit)


def enter(visit: Visit) -> None:
    """Press Enter, and wait for the page that comes."""
    with visit.page.expect_navigation():
        visit.press("Enter")


def truth(record_id: str) -> str:
    """What the sandbox drew."""
    return record_id.split("/")[2].rpartition("_")[0]


def judge_batch(visit: Visit) -> int:
    """Judge what is shown, by what was drawn; the number of pictures."""
    cards = visit.page.locator(".batch > .card")
    expect(cards.first).to_be_focused()
    visit.wait_for_pictures()
    count = cards.count()
    for _ in range(count):
        card = visit.page.locator(".batch > .card:focus")
        true = truth(card.get_attribute("data-record") or "")
        if card.get_attribute("data-label") == true:
            visit.press("r")
        else:
            visit.press("t")
            visit.page.keyboard.type(true)
            visit.press("Enter")
    visit.page.locator(".unsaved[data-count='0']").wait_for(state="attached")
    expect(visit.page.locator(".done")).to_have_text(str(count))
    return count


def test_the_circle_is_closed_by_keyboard_alone(
    folder: Path, desk: DeskProcess, browser: Browser
) -> None:
    with visiting(browser) as visit:
        visit.page.goto(desk.url)
        expect(visit.page.locator(".card")).not_to_have_count(0)
        follow(visit, "Teach")
        expect(visit.page.locator("input[name=provider]")).to_be_focused()
        visit.page.keyboard.type(MUSEUM)
        enter(visit)
        follow(visit, "Judge the next ten")
        judged = 0
        while judged < VERDICTS:
            judged += judge_batch(visit)
            if judged < VERDICTS:
                enter(visit)
        follow(visit, "Done judging: retrain the model")
        follow(visit, "Retrain")
        visit.page.locator(".live[data-over=yes]").wait_for()
        assert "heads v2" in visit.page.locator(".verdict-line").inner_text()
        follow(visit, "Prove how accurate it is")
        prove(visit)
        assert visit.problems == []
    engine = open_store()
    museum = Museum(engine)
    (audit,) = museum.rows("SELECT state, sample, right_ones, data_provider FROM audit")
    assert audit[0] == "closed"
    assert 0 <= audit[2] <= audit[1]
    assert audit[3] == MUSEUM
    engine.dispose()


def prove(visit: Visit) -> None:
    """From the plan to the certificate."""
    follow(visit, "Draw")
    visit.page.get_by_text("This freezes").wait_for()
    visit.tab_to(visit.page.locator("button.danger"))
    enter(visit)
    left = visit.page.get_by_role("heading", name="Is this right?")
    while True:
        left.or_(visit.page.get_by_role("heading", name="You have judged all")).wait_for()
        if not left.is_visible():
            break
        judge_batch(visit)
        enter(visit)
    enter(visit)  # close the audit
    visit.page.get_by_role("heading", name="Close audit").wait_for()
    follow(visit, "Close it")
    visit.page.get_by_text("drawn at random").first.wait_for()
