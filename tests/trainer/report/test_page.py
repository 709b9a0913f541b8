"""The report: true, harmless, whole, and fit to look at."""

import os
import re
import shutil
from pathlib import Path

import pytest

from common.vision.kinds import Kind
from tests.browser import see
from tests.trainer.experiments import copied, finished_experiment
from trainer.experiment import Experiment
from trainer.report.page import summarise, write_summary

HOSTILE = (
    "<script>document.title='x'</script>",
    '"><img src=x onerror="document.title=\'x\'">',
    "</style></title>{{ 7 * 7 }}",
    "a category whose name is longer than any telephone is wide_" + 60 * "w",
)


def _report(experiment: Experiment) -> Path:
    write_summary(experiment)
    return experiment.folder / "report.html"


@pytest.fixture(scope="module", params=["single", "multi"])
def report(
    finished: dict[Kind, Experiment],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Path:
    """Of an experiment of either kind."""
    return _report(copied(finished[request.param], tmp_path_factory.mktemp("report")))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an experiment whose labels were chosen to break the page."""
    folder = tmp_path_factory.mktemp("hostile")
    return _report(finished_experiment(folder, categories=HOSTILE))


def test_it_needs_no_other_file_and_no_network(report: Path) -> None:
    text = report.read_text()
    sources = re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^">)]*)', text)
    assert sources
    assert {source.split(":")[0] for source in sources if source[0] != "#"} == {"data", "https"}
    assert not re.search(r'src="(?!data:)', text)
    assert "default-src 'none'" in text
    assert len(text) < 3_000_000


def test_it_calls_categories_by_their_labels_and_tells_those_apart_that_are_the_same(
    tmp_path: Path,
) -> None:
    experiment = finished_experiment(tmp_path, categories=("a_slug", "b_slug", "c_slug", "d"))
    labels = {"a_slug": "Χάρτης <παλιός>", "b_slug": "Album", "c_slug": "Album"}
    summary = write_summary(experiment, labels)
    assert list(summary.categories) == ["a_slug", "b_slug", "c_slug", "d"]
    text = (experiment.folder / "report.html").read_text()
    assert "Χάρτης &lt;παλιός&gt;" in text
    assert "a_slug" not in text
    assert "Album (b_slug)" in text
    assert "Album (c_slug)" in text


def test_it_says_what_the_summary_says(finished: dict[Kind, Experiment], tmp_path: Path) -> None:
    experiment = copied(finished["single"], tmp_path)
    summary = summarise(experiment)
    text = _report(experiment).read_text()
    for spread in summary.averages().values():
        assert str(spread) in text
    assert "1 × picture unreadable (damaged): " in text
    assert "/90101/object_35" in text
    assert f"{summary.majority:.1%}" in text
    assert f"the fitted temperature is {summary.temperature:.2f}" in text


def test_mistakes_lead_to_the_records(report: Path) -> None:
    links = re.findall(r'href="(https://www\.europeana\.eu/[^"]*)"', report.read_text())
    assert links
    assert all(re.fullmatch(r".*eu/item/90101/object_\d+", link) for link in links)


def test_records_are_named_by_their_titles(
    finished: dict[Kind, Experiment], tmp_path: Path
) -> None:
    experiment = copied(finished["single"], tmp_path)
    lines = [line.split(",") for line in experiment.splits.read_text().splitlines()]
    place = lines[0].index("title")
    titled = [[*c[:place], f"Map of <Ghent> {n}", *c[place + 1 :]] for n, c in enumerate(lines[1:])]
    experiment.splits.write_text("".join(",".join(c) + "\n" for c in [lines[0], *titled]))
    text = _report(experiment).read_text()
    assert re.search(r"<b>Map of &lt;Ghent&gt; \d+</b><br>", text)


def test_it_says_when_it_was_made_and_how_many_epochs_ran(
    finished: dict[Kind, Experiment], tmp_path: Path
) -> None:
    experiment = copied(finished["single"], tmp_path)
    for number in range(3):
        os.utime(experiment.split(number) / "metrics.json", (0, 1_700_000_000 + number))
    text = _report(experiment).read_text()
    assert "14 November 2023" in text or "15 November 2023" in text  # wherever the test runs
    assert "4 in each fold; the weights are from epoch 3 (at most 4; patience 10)" in text


def test_it_has_a_scale_for_heatmaps_and_colours_for_the_dark(report: Path) -> None:
    text = report.read_text()
    assert "most influence" in text
    assert "prefers-color-scheme: dark" in text


def test_files_of_a_folder_have_no_page(finished: dict[Kind, Experiment], tmp_path: Path) -> None:
    experiment = copied(finished["single"], tmp_path)
    dataset = experiment.folder / "dataset.json"
    dataset.write_text(dataset.read_text().replace('"thumbnail"', '"folder"'))
    text = _report(experiment).read_text()
    assert "www.europeana.eu" not in text
    assert "/90101/object_" in text


def test_pictures_that_are_gone_are_said_to_be(
    finished: dict[Kind, Experiment], tmp_path: Path
) -> None:
    experiment = copied(finished["single"], tmp_path)
    splits = experiment.folder / "splits.csv"
    splits.write_text(splits.read_text().replace(".png", ".gone"))
    shutil.rmtree(experiment.split(0) / "heatmaps")
    assert "picture not available" in _report(experiment).read_text()


def test_labels_are_text_and_nothing_else(hostile: Path) -> None:
    text = hostile.read_text()
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "{{ 7 * 7 }}" in text
    assert text.count("</style>") == text.count("</title>") == 1


@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_shows_all_of_it(report: Path, tmp_path: Path, width: int) -> None:
    seen = see(report, tmp_path, width=width)
    assert seen.pictures > 10
    assert (seen.missing, seen.unnamed, seen.scripts) == (0, 0, 0)
    assert seen.overflow == 0
    assert "The most confident mistakes" in seen.headings


def test_a_browser_is_not_harmed_by_labels(hostile: Path, tmp_path: Path) -> None:
    seen = see(hostile, tmp_path, width=400)
    assert (seen.missing, seen.scripts, seen.overflow) == (0, 0, 0)
    assert all(label in seen.text for label in HOSTILE[:2])
