"""Catalogues in a folder: what is read, and what is refused with its line."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from common.errors import UsageError
from deploy.sandbox.catalogue import read_catalogue
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox

MUSEUM = Path(__file__).parents[4] / "shared" / "data" / "museum"
LINE: dict[str, Any] = {
    "id": "/90101/vase_1",
    "type": "IMAGE",
    "title": ["A vase"],
    "dataProvider": ["A museum"],
    "provider": ["A museum"],
    "country": ["Italy"],
    "rights": ["http://creativecommons.org/publicdomain/zero/1.0/"],
    "edmIsShownBy": ["https://images.museum.example/vase.jpg"],
    "edmConcept": ["http://data.europeana.eu/concept/31"],
    "image": "images/vase.png",
    "category": "ceramics",
}


def write(folder: Path, *lines: dict[str, Any] | str) -> Path:
    (folder / "images").mkdir()
    Image.new("RGB", (30, 20), "red").save(folder / "images" / "vase.png")
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "catalog.jsonl").write_text("\n".join(texts))
    return folder


def test_a_folder_is_served_as_it_is(tmp_path: Path) -> None:
    bare = {key: LINE[key] for key in LINE if key not in ("edmIsShownBy", "category")}
    folder = write(tmp_path, LINE, "", bare | {"id": "/90101/vase_2"})
    with Sandbox(read_catalogue(folder)) as sandbox:
        url = f"{sandbox.url}/record/v2/search.json?query=*"
        body = requests.get(url, headers={"X-Api-Key": sandbox.key}, timeout=10).json()
        second, first = body["items"]
        picture = requests.get(first["edmIsShownBy"][0], timeout=10)
    assert (first["title"], first["edmConcept"]) == (LINE["title"], LINE["edmConcept"])
    assert picture.content == (folder / "images" / "vase.png").read_bytes()
    assert picture.headers["Content-Type"] == "image/png"
    assert "edmIsShownBy" not in second


def test_faults_spoil_the_files_of_a_folder_as_well(tmp_path: Path) -> None:
    folder = write(tmp_path, LINE)
    content = (folder / "images" / "vase.png").read_bytes()
    catalogue = read_catalogue(folder)
    late, broken = Fault(kind="latency", seconds=0.1), Fault(kind="truncated")
    with Sandbox(catalogue, faults=Faults(items={LINE["id"]: (late, broken)})) as sandbox:
        url = sandbox.addresses.media_url(catalogue.items[0])
        assert requests.get(url, timeout=10).content == content[: len(content) // 2]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": "90101/vase"}, "id: "),
        ({"id": "/90101/va-se"}, "id: "),
        ({"type": "PICTURE"}, "type: "),
        ({"rights": []}, "rights: "),
        ({"title": "A vase"}, "title: "),
        ({"image": "images/none.png"}, "does not exist"),
        ({"image": "../../etc/passwd"}, "outside"),
        ({"edmIsShownBy": ["vase.jpg"]}, "not a URL"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    folder = write(tmp_path, LINE, "", LINE | {"id": "/90101/vase_2"} | change)
    with pytest.raises(UsageError) as refused:
        read_catalogue(folder)
    assert "catalog.jsonl, line 3: " in str(refused.value)
    assert complaint in str(refused.value)


def test_a_line_that_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 2: it is not JSON"):
        read_catalogue(write(tmp_path, LINE, '{"id": '))


def test_an_empty_or_missing_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is empty"):
        read_catalogue(write(tmp_path))
    with pytest.raises(UsageError, match="Cannot read"):
        read_catalogue(tmp_path / "nowhere")


@pytest.mark.skipif(not MUSEUM.is_dir(), reason="needs ../shared/data/museum")
def test_the_museum_catalogue_is_read() -> None:
    catalogue = read_catalogue(MUSEUM)
    assert len(catalogue.items) == 1928
    assert len(catalogue.hosts) == 3
    assert catalogue.read(catalogue.items[0].picture).startswith(b"\xff\xd8")
