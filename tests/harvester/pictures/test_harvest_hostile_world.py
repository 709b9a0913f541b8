"""One run of `harvester images` over everything that hosts and links do to us, on real sockets.

`HOSTILITIES` is the documented outcome of each. What needs a server that writes single bytes is in
tests/common/fetch; here it counts that the whole command ends, in bounded time and memory.
"""

import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from random import Random

import pytest
from PIL import Image
from sqlalchemy import Engine, text

from common.fetch.answers import RETRY_AFTER_CAP
from common.pictures.decode import decode
from deploy.sandbox.catalogue import Catalogue
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.hosts.bombs import gzip_bomb
from deploy.sandbox.server import Sandbox
from tests.common.fetch.servers import encoded

pytestmark = pytest.mark.slow

MAX_SECONDS = 120.0  # a drip, given up after 15 s, would take 147
MAX_MEMORY_MIB = 320.0  # 100 MB of an endless body, and what Python and Pillow need
RED = (254, 0, 0)


@dataclass(frozen=True)
class Hostility:
    """What a link, host or file does, and its outcome: state and reason, or the stored size."""

    name: str
    outcome: tuple[str, str] | tuple[int, int]
    fault: Fault | None = None
    url: str = "{url}"  # the sandbox's own, if nothing else is said
    colour: tuple[int, int, int] | None = None  # of the stored picture


HOSTILITIES = (
    # hosts
    Hostility("drip", ("deferred", "too_slow"), Fault("drip", bytes_per_second=500)),
    Hostility("silence", ("deferred", "timeout"), Fault("latency", seconds=60)),
    Hostility("endless", ("failed", "too_large"), Fault("endless")),
    Hostility("gzip", ("failed", "encoding_refused"), Fault("gzip_bomb")),
    Hostility("reset", ("deferred", "connection_lost"), Fault("reset")),
    Hostility("down", ("deferred", "server_error"), Fault("status", status=503)),
    Hostility(
        "absurd", ("deferred", "rate_limited"), Fault("status", status=429, retry_after=10**12)
    ),
    Hostility("loop", ("failed", "too_many_redirects"), Fault("redirect_loop")),
    Hostility(
        "home", ("failed", "address_refused"), Fault("redirect", location="http://127.0.0.1/")
    ),
    Hostility(
        "cloud",
        ("failed", "address_refused"),
        Fault("redirect", location="http://169.254.169.254/"),
    ),
    Hostility("page", ("failed", "not_an_image_html"), Fault("html")),
    Hostility("typed", (400, 300), Fault("wrong_type")),
    Hostility("cut", ("failed", "truncated"), Fault("truncated")),
    Hostility("bomb", ("failed", "too_many_pixels"), Fault("pixel_bomb")),
    # links
    Hostility("ftp", ("failed", "unsupported_scheme"), url="ftp://127.0.1.1/picture.jpg"),
    Hostility("file", ("failed", "unsupported_scheme"), url="file:///etc/passwd"),
    Hostility("words", ("failed", "unsupported_scheme"), url="see the catalogue"),
    Hostility("user", ("failed", "invalid_url"), url="http://user:secret@127.0.1.1/"),
    Hostility("decimal", ("failed", "invalid_url"), url="http://2130706433/"),
    Hostility("octal", ("failed", "invalid_url"), url="http://0177.0.0.1/"),
    Hostility("hexadecimal", ("failed", "invalid_url"), url="http://0x7f000001/"),
    Hostility("short", ("failed", "invalid_url"), url="http://127.1/"),
    Hostility("link_local", ("failed", "address_refused"), url="http://[fe80::1]/"),
    Hostility("nat64", ("failed", "address_refused"), url="http://[64:ff9b::a9fe:a9fe]/"),
    Hostility("mapped", ("failed", "address_refused"), url="http://[::ffff:127.0.0.1]/"),
    Hostility("localhost", ("failed", "address_refused"), url="http://localhost/"),
    Hostility("nameless", ("deferred", "dns"), url="http://nowhere.invalid/picture.jpg"),
    Hostility("closed", ("deferred", "connect"), url="http://127.0.1.250:9/"),
    Hostility("blanks", (400, 300), url="  {url}?title=Schöne Aussicht&share=100%\n"),
    # pictures
    Hostility("huge", (512, 427), colour=(90, 90, 90)),
    Hostility("cmyk", (60, 40), colour=RED),
    Hostility("sixteen_bits", (60, 40), colour=(128, 128, 128)),
    Hostility("palette", (60, 40), colour=(255, 255, 255)),
    Hostility("pages", (60, 40), colour=RED),
    Hostility("animated", (60, 40), colour=RED),
    Hostility("sideways", (40, 60), colour=RED),
)
IDS = [hostility.name for hostility in HOSTILITIES]


@cache
def picture(name: str) -> bytes:
    red, blue = Image.new("RGB", (60, 40), "red"), Image.new("RGB", (60, 40), "blue")
    match name:
        case "huge":
            return encoded(Image.new("L", (12_000, 10_000), 90))
        case "cmyk":
            return encoded(Image.new("CMYK", (60, 40), (0, 255, 255, 0)))
        case "sixteen_bits":
            return encoded(Image.new("I;16", (60, 40), 32_896), "PNG")
        case "palette":
            return encoded(red.convert("P"), "PNG", transparency=bytes(256))
        case "pages":
            return encoded(red, "TIFF", save_all=True, append_images=[blue])
        case "animated":
            return encoded(red, "GIF", save_all=True, append_images=[blue])
        case "sideways":
            exif = Image.Exif()
            exif[0x0112] = 6
            return encoded(red, exif=exif)
    noise = Random(name).randbytes(3 * 400 * 300)
    return encoded(Image.frombytes("RGB", (400, 300), noise))


PROGRAM = """
from pathlib import Path
from harvester.cli import main
try:
    main()
finally:
    Path("status").write_text(Path("/proc/self/status").read_text())
"""


def hostile_sandbox() -> Sandbox:
    """A host for each hostility, so that none is judged by another's deeds."""
    like = draw_collection(items=1).items[0]
    items = [
        replace(like, id=f"/1/{name}", host=f"{name}.example", picture=name, shown_by=True)
        for name in IDS
    ]
    faults = {f"/1/{one.name}": [one.fault] for one in HOSTILITIES if one.fault}
    return Sandbox(Catalogue(items, picture), faults=Faults(items=faults), image_hosts=len(items))


def urls(sandbox: Sandbox) -> dict[str, str]:
    usual = {item.id: sandbox.addresses.media_url(item) for item in sandbox.catalogue.items}
    return {one.name: one.url.format(url=usual[f"/1/{one.name}"]) for one in HOSTILITIES}


def insert_records(engine: Engine, urls: dict[str, str]) -> None:
    """A dataset `d` of these records."""
    rows = [{"id": f"/1/{name}", "url": url} for name, url in urls.items()]
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO concept VALUES ('http://a.org/1', 'map')"))
        connection.execute(text("INSERT INTO dataset (name) VALUES ('d')"))
        connection.execute(text("INSERT INTO record (id, media_url) VALUES (:id, :url)"), rows)
        connection.execute(
            text(
                "INSERT INTO dataset_item SELECT dataset.id, record.id, concept.uri, 'csv'"
                " FROM dataset, record, concept"
            )
        )


def run_and_measure(harvester) -> tuple[float, float]:
    """The command over all hostilities, as a process of its own: seconds and peak MiB."""
    command = [sys.executable, "-c", PROGRAM, "images", "--dataset", "d", "--picture", "media"]
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    status = (harvester.folder / "status").read_text()
    return time.monotonic() - began, int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def test_everything_ends_as_documented_in_bounded_time_and_memory(harvester, monkeypatch):
    monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.1.0/24")
    for name in IDS:
        picture(name)  # drawn before the clock starts
    gzip_bomb()  # packed likewise
    with hostile_sandbox() as sandbox:
        insert_records(harvester.engine, urls(sandbox))
        seconds, memory = run_and_measure(harvester)
    assert seconds < MAX_SECONDS
    assert memory < MAX_MEMORY_MIB
    ended = harvester.rows("SELECT record_id, state, reason, width, height FROM image")
    outcomes = {
        record_id.removeprefix("/1/"): (width, height) if state == "stored" else (state, reason)
        for record_id, state, reason, width, height in ended
    }
    assert outcomes == {one.name: one.outcome for one in HOSTILITIES}
    wait = "SELECT not_before - fetched_at FROM image WHERE record_id = '/1/absurd'"
    assert harvester.rows(wait) == [(timedelta(seconds=RETRY_AFTER_CAP),)]
    expect_colours(harvester)


def expect_colours(harvester) -> None:
    expected = {one.name: one.colour for one in HOSTILITIES if one.colour}
    paths = dict(harvester.rows("SELECT substr(record_id, 4), path FROM image"))
    for name, colour in expected.items():
        content = (harvester.folder / "images" / paths[name]).read_bytes()
        seen = decode(content, shorter_side=16).image  # as a classifier will
        assert seen.getpixel((5, 5)) == pytest.approx(colour, abs=3), name


def test_a_name_that_changes_its_address_after_the_check_leads_nowhere_else(
    harvester, use_sandbox, monkeypatch
):
    looked_up = []
    with hostile_sandbox() as sandbox:
        use_sandbox(sandbox)
        monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.1.0/24")
        honest = sandbox.addresses.of_host["typed.example"]

        def rebinding(host, *_, **__):
            looked_up.append(host)
            address = honest if len(looked_up) == 1 else "127.0.0.1"  # where the API listens
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

        monkeypatch.setattr("common.fetch.addresses.socket.getaddrinfo", rebinding)
        url = f"http://typed.example:{sandbox.addresses.port}/media/1/typed.jpg"
        insert_records(harvester.engine, {"typed": url})
        harvester("images", "--dataset", "d", "--picture", "media")
        assert harvester.rows("SELECT state FROM image") == [("stored",)]
        assert looked_up == [b"typed.example"]
        assert sandbox.log["127.0.0.1"].requests == 0
