"""A host that has a picture for every address, except for those that it is told to miss."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath

from PIL import Image, ImageDraw

from common.pictures.sources import thumbnail_url
from tests.desk.museum import URL


class PictureHost:
    """`url` stands for Europeana's API; `missing` are names of files that are not there."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.missing: set[str] = set()

    def miss(self, record_id: str) -> None:
        """Have no thumbnail of a record of the museum."""
        self.missing.add(_name(thumbnail_url(URL.format(record_id=record_id), api_url="")))


def _name(path: str) -> str:
    return PurePosixPath(path).name


def drawn(name: str, size: tuple[int, int] = (300, 240)) -> bytes:
    """A JPEG that differs with its name."""
    image = Image.new("RGB", size, f"#{hash(name) & 0x7F7F7F | 0x404040:06x}")
    ImageDraw.Draw(image).text((20, 20), name[:12], fill="white")
    content = io.BytesIO()
    image.save(content, "JPEG")
    return content.getvalue()


@contextmanager
def picture_host() -> Iterator[PictureHost]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = _name(self.path)
            size = (1600, 1200) if name.startswith("large") else (300, 240)
            content = b"" if name in host.missing else drawn(name, size)
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", "image/jpeg")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = PictureHost(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
