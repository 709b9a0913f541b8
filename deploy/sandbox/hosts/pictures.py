"""The items' pictures: their bytes, their thumbnails."""

import asyncio
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image

from deploy.sandbox.catalogue import Catalogue, Item


class Pictures:
    """Reads or draws pictures in threads, and keeps the results."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._folder = catalogue.folder
        self._read = catalogue.read
        self._shrink_cached = lru_cache(maxsize=2_000)(self._shrink)

    def file(self, item: Item) -> Path | None:
        """The path of the provider's file, if it is not drawn."""
        return self._folder / item.picture if self._folder else None

    async def read(self, item: Item) -> bytes:
        """The bytes of the provider's file."""
        return await asyncio.to_thread(self._read, item.picture)

    async def thumbnail(self, item: Item, width: int) -> bytes:
        """A JPEG of at most this width."""
        return await asyncio.to_thread(self._shrink_cached, item.picture, width)

    def _shrink(self, picture: str, width: int) -> bytes:
        jpeg = io.BytesIO()
        with Image.open(io.BytesIO(self._read(picture))) as image:
            image.draft("RGB", (width, width))
            height = max(1, round(image.height * width / image.width))
            small = image.convert("RGB")
            if image.width > width:
                small = small.resize((width, height), Image.Resampling.BICUBIC)
        small.save(jpeg, "JPEG", quality=85)
        return jpeg.getvalue()
