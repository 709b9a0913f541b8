"""The sandbox with a catalogue of few files, where all records have different bytes.

    python -m benchmarks.parts.distinct_sandbox --catalog FOLDER ...

Decoders ignore bytes after the end of a JPEG: there each record's picture has its number.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from deploy.sandbox import __main__ as program
from deploy.sandbox.catalogue import Catalogue, read_catalogue


def read_distinct(folder: Path) -> Catalogue:
    """The catalogue of a folder; its pictures differ in their last bytes."""
    catalogue = read_catalogue(folder)
    content = lru_cache(maxsize=None)(catalogue.read)

    def read(picture: str) -> bytes:
        path, _, number = picture.rpartition("#")
        return content(path) + number.encode()

    items = [
        replace(item, picture=f"{item.picture}#{number:08}")
        for number, item in enumerate(catalogue.items)
    ]
    return replace(catalogue, items=items, read=read, folder=None)


if __name__ == "__main__":
    program.read_catalogue = read_distinct  # type: ignore[attr-defined]
    program.main()
