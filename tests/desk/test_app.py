"""The application: its assets, and what is on every answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.access.headers import POLICY
from desk.web.rendering import ASSETS, asset_version
from tests.desk.caller import Caller
from tests.desk.desk_process import DeskProcess, desk_process
from tests.desk.museum import Museum

pytestmark = pytest.mark.timeout(600)

KEPT = "public, max-age=31536000, immutable"


@pytest.fixture
def desk(museum: Museum, tmp_path: Path) -> Iterator[DeskProcess]:
    with desk_process(tmp_path) as desk:
        yield desk


def test_browsers_keep_assets_of_this_version_and_nothing_else(desk: DeskProcess) -> None:
    nobody = Caller(desk)
    version = asset_version()
    for path in ASSETS.iterdir():
        kept = nobody.get(f"/assets/{path.name}?{version}")
        assert kept.headers["cache-control"] == KEPT
        assert kept.content == path.read_bytes()
        assert kept.headers["x-content-type-options"] == "nosniff"
        assert kept.headers["content-security-policy"] == POLICY
        again = nobody.get(
            f"/assets/{path.name}?{version}", **{"if-none-match": kept.headers["etag"]}
        )
        assert (again.status_code, again.headers["cache-control"]) == (304, KEPT)
    for other in ("/assets/desk.css", "/assets/desk.css?older", "/see", "/login", "/nothing"):
        assert nobody.get(other).headers["cache-control"] == "no-store"
    missing = nobody.get(f"/assets/none.css?{version}")
    assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")


def test_pages_ask_for_assets_of_this_version(museum: Museum, desk: DeskProcess) -> None:
    asked = f"/assets/desk.css?{asset_version()}"
    assert asked in Caller(desk).get("/see").text
    museum.user()
    assert asked in Caller(desk).get("/login").text


def test_no_other_file_is_an_asset(desk: DeskProcess) -> None:
    hostile = ("", "..%2fasking.py", "%2e%2e/door.py", "..%5cdoor.py", "%2fetc%2fpasswd", "%00")
    for path in (*hostile, "a" * 5_000):
        answer = Caller(desk).get(f"/assets/{path}?{asset_version()}")
        assert answer.status_code == 404, path
        assert "import" not in answer.text
    assert "Traceback" not in desk.log()
