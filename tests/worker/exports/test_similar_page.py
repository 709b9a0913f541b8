"""The page of similar records: true, harmless, whole, and fit to look at."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from common.store.encoders import StoredEncoder
from tests.browser import see
from worker.embeddings.alike import Alike, SimilarRecord
from worker.exports.page import write_similar_page

HOSTILE = "</h1></title><script>document.title='x'</script>{{ 7 * 7 }}\" onerror=x " + 60 * "w"
SEEN = datetime(2026, 11, 25, tzinfo=UTC)


def record(number: int, *, title: str | None = None) -> SimilarRecord:
    return SimilarRecord(
        record_id=f"/1/r{number}",
        similarity=1 - number / 100,
        source="media" if number % 2 else "thumbnail",
        url="http://museum.example/a.jpg",
        seen_at=SEEN,
        title=title,
        data_provider="Museum \x1b[2J\u202e <b>of</b> Things",
        media_url=None,
        preview_url=None,
    )


def written(path: Path, *, is_exact: bool = True) -> str:
    encoder = StoredEncoder(
        id=1,
        name="lite",
        sha256="0" * 64,
        network="timm:x",
        dimension=3,
        licence="",
        created_at=SEEN,
    )
    found = [record(number, title=HOSTILE if number == 3 else None) for number in range(1, 8)]
    alike = Alike(
        record=record(0, title=HOSTILE),
        found=found,
        encoder=encoder,
        compared=12_345,
        is_exact=is_exact,
    )
    content = io.BytesIO()
    Image.new("RGB", (30, 30), "red").save(content, "JPEG")
    pictures = {f"/1/r{number}": content.getvalue() for number in range(6)}
    with path.open("w") as stream:
        write_similar_page(alike, stream, pictures)
    return path.read_text()


def test_each_card_has_its_similarity_and_link_in_order(tmp_path: Path) -> None:
    text = written(tmp_path / "page.html")
    links = re.findall(r'href="https://www.europeana.eu/item(.*?)"', text)
    assert links == [f"/1/r{number}" for number in range(8)]
    assert [float(each) for each in re.findall(r"<p>([0-9.]+) <span>", text)] == [
        0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.93
    ]  # fmt: skip
    assert text.count("picture not available") == 2
    assert "provider&#39;s file, seen 2026-11-25" in text
    assert "12,345 pictures" in text


def test_it_says_whether_all_were_compared(tmp_path: Path) -> None:
    assert "pictures, all compared." in written(tmp_path / "a.html")
    assert "found by an index, which may miss some" in written(tmp_path / "b.html", is_exact=False)


def test_control_characters_of_names_are_written_out(tmp_path: Path) -> None:
    text = written(tmp_path / "page.html")
    assert r"Museum \x1b[2J\u202e" in text
    assert not {"\x1b", "\u202e"} & {*text}


def test_it_needs_no_other_file_and_no_network(tmp_path: Path) -> None:
    text = written(tmp_path / "page.html")
    assert "default-src 'none'" in text
    assert not re.search(r'src="(?!data:image/jpeg;base64,)', text)


@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_shows_all_of_it_and_is_not_harmed(tmp_path: Path, width: int) -> None:
    written(tmp_path / "page.html")
    seen = see(tmp_path / "page.html", tmp_path, width=width)
    assert seen.pictures == 6
    assert (seen.missing, seen.unnamed, seen.scripts, seen.overflow) == (0, 0, 0, 0)
    assert seen.headings == [HOSTILE, "7 records"]
