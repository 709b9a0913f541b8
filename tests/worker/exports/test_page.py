"""The page of heatmaps: true, harmless, whole, and fit to look at."""

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from common.errors import UsageError
from tests.browser import see
from tests.worker.shelf import MAP, PAINTING, THUMBNAIL, Shelf
from worker.cli import app
from worker.enrich.heatmap_files import keep
from worker.exports.selection import draw_sample

HOSTILE = "</h2></title><script>document.title='x'</script>{{ 7 * 7 }}\" onerror=x " + 60 * "w"

_HEATMAP = """
    INSERT INTO heatmap (record_id, concept_uri, model_id, image_url, sha256)
    SELECT record_id, concept_uri, model_id, image_url, :sha256 FROM enrichment
    WHERE record_id = :record_id AND concept_uri = :concept
"""
_CHUNK = """
    UPDATE job_chunk SET record_ids = (SELECT array_agg(id) FROM record),
                         enriched = (SELECT count(*) FROM record)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEATMAP_DIR", str(tmp_path / "heatmaps"))
    return tmp_path / "heatmaps"


def add(shelf: Shelf, folder: Path, record_id: str, concept: str, confidence: float) -> None:
    """An explained enrichment; its heatmap has a colour of its own."""
    shelf.add(record_id, concept, confidence)
    image, content = Image.new("RGB", (64, 32), (int(255 * confidence), 0, 0)), io.BytesIO()
    image.save(content, "JPEG")
    digest = keep(folder, content.getvalue())
    shelf.execute(_HEATMAP, record_id=record_id, concept=concept, sha256=digest)


@pytest.fixture
def explained(shelf: Shelf, folder: Path) -> Shelf:
    """Six maps, two paintings; one enrichment without a heatmap."""
    shelf.execute("UPDATE concept SET label = :label WHERE uri = :uri", label=HOSTILE, uri=MAP)
    for number in range(6):
        add(shelf, folder, f"/1/map{number}", MAP, 0.5 + number / 20)
    for number in range(2):
        add(shelf, folder, f"/1/painting{number}", PAINTING, 0.8 + number / 20)
    shelf.add("/1/unexplained", MAP, 0.9, source="thumbnail", image_url=THUMBNAIL)
    shelf.execute(_CHUNK)
    return shelf


def explain(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def test_each_card_has_its_own_picture_confidence_and_link(
    explained: Shelf, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    done = explain(explained.jobs["vases 1"], page)
    assert "8 of 8 explained enrichments" in done.stderr
    cards = re.findall(r"<li><img src.*?</li>", page.read_text(), re.DOTALL)
    assert len(cards) == 8
    links = [re.search(r'href="https://www.europeana.eu/item(.*?)"', card) for card in cards]
    assert [link and link[1] for link in links] == [
        *(f"/1/map{number}" for number in reversed(range(6))),
        *("/1/painting1", "/1/painting0"),
    ]
    for card in cards:
        confidence = re.search(r"<p>([0-9.]+)%", card)
        picture = re.search(r"base64,([^\"]+)", card)
        assert confidence
        assert picture
        with Image.open(io.BytesIO(base64.b64decode(picture[1]))) as image:
            pixel = image.getpixel((0, 0))
        assert isinstance(pixel, tuple)
        assert pixel[0] == pytest.approx(2.55 * float(confidence[1]), abs=3)


def test_a_sample_has_all_concepts_alike_and_is_always_the_same(explained: Shelf) -> None:
    job = explained.jobs["vases 1"]
    sample = draw_sample(explained.engine, job, limit=4)
    assert sample.total == 8
    assert sorted(row.concept for row in sample.rows) == [MAP, MAP, PAINTING, PAINTING]
    assert draw_sample(explained.engine, job, limit=4) == sample
    larger = draw_sample(explained.engine, job, limit=5)
    assert larger.rows[:4] == sample.rows
    assert draw_sample(explained.engine, job, limit=100).rows[:5] == larger.rows


def test_what_cannot_be_shown_is_told_in_words(explained: Shelf, folder: Path) -> None:
    with pytest.raises(UsageError, match="with --explain"):
        draw_sample(explained.engine, explained.jobs["coins 1"], limit=1)
    next(folder.glob("*/*.jpg")).unlink()
    done = explain(explained.jobs["vases 1"], "-")
    assert "1 of 8 heatmaps are not in" in done.stderr
    assert done.stdout.count("heatmap not available") == 1
    assert explain(explained.jobs["coins 1"], "-").exit_code == 2


def test_without_any_heatmap_no_page_is_written(
    explained: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEATMAP_DIR", str(tmp_path / "elsewhere"))
    refused = explain(explained.jobs["vases 1"], tmp_path / "page.html")
    assert refused.exit_code == 1
    assert "None of the 8 heatmaps is in" in refused.stderr
    assert not (tmp_path / "page.html").exists()


def test_a_page_that_exists_is_overwritten_only_by_force(explained: Shelf, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    assert explain(explained.jobs["vases 1"], page).exit_code == 2
    assert page.read_text() == "mine"
    done = explain(explained.jobs["vases 1"], page, "--force", "--json")
    told = json.loads(done.stdout)
    assert (told["shown"], told["total"], told["missing"]) == (8, 8, 0)


def test_it_needs_no_other_file_and_no_network(explained: Shelf) -> None:
    text = explain(explained.jobs["vases 1"], "-").stdout
    assert "default-src 'none'" in text
    assert not re.search(r'src="(?!data:image/jpeg;base64,)', text)


@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_shows_all_of_it_and_is_not_harmed(
    explained: Shelf, tmp_path: Path, width: int
) -> None:
    page = tmp_path / "page.html"
    explain(explained.jobs["vases 1"], page)
    seen = see(page, tmp_path, width=width)
    assert seen.pictures == 8
    assert (seen.missing, seen.unnamed, seen.scripts, seen.overflow) == (0, 0, 0, 0)
    assert seen.headings == ["vases v1", HOSTILE, "painting"]
