"""Pictures within the report: small JPEGs as data URIs, so that the report is one file."""

import base64
import io
from pathlib import Path

from PIL import Image

from common.errors import RecordError
from common.pictures.decode import decode

THUMBNAIL = (240, 200)  # pixels, width and height, at most
HEATMAP = (400, 200)
QUALITY = 80


def thumbnail(path: Path) -> str:
    """A picture of the training data as a data URI, empty where it is gone or unreadable."""
    try:
        decoded = decode(path.read_bytes(), shorter_side=min(THUMBNAIL))
    except (OSError, RecordError):
        return ""
    return _jpeg(decoded.image, THUMBNAIL)


def heatmap_pair(path: Path) -> str:
    """A saved heatmap as a data URI, empty where it is gone."""
    try:
        with Image.open(path) as image:
            return _jpeg(image.convert("RGB"), HEATMAP)
    except OSError:
        return ""


def data_uri(content: bytes, media_type: str) -> str:
    """A file as a URI that holds all of it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _jpeg(image: Image.Image, bounds: tuple[int, int]) -> str:
    image.thumbnail(bounds)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return data_uri(buffer.getvalue(), "image/jpeg")
