"""Picture files like photographs in size and detail, and a catalogue of records that show them."""

import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

LEAST_MEGAPIXELS, MOST_MEGAPIXELS = 0.3, 12.0  # evenly on a logarithmic scale: 3.2 on average
DETAIL = 0.3  # of noise over soft colours: 0.28 bytes a pixel, like a camera's files
QUALITY = 88


def draw_pictures(
    folder: Path,
    count: int,
    *,
    megapixels: tuple[float, float] = (LEAST_MEGAPIXELS, MOST_MEGAPIXELS),
) -> list[Path]:
    """Files from the least to the most megapixels, in an order that mixes sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    ranks = np.random.default_rng(0).permutation(count).tolist()
    paths = [folder / f"{number:04}.jpg" for number in range(count)]
    least, most = megapixels
    spread = math.log(most / least)
    sizes = [least * math.exp(spread * rank / max(1, count - 1)) for rank in ranks]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, jpeg in zip(paths, pool.map(_photograph, range(count), sizes), strict=True):
            path.write_bytes(jpeg)
    return paths


@dataclass(frozen=True, kw_only=True)
class Series:
    """Records of a data set; they take the pictures in turn, and the `hosts` in turn."""

    dataset: str
    records: int
    hosts: Sequence[str]

    def ids(self, *, but_host: str | None = None) -> list[str]:
        """The IDs of the records, or of those that are not on that host."""
        return [self._id(n) for n in range(self.records) if self._host(n) != but_host]

    def items(self, pictures: Sequence[str]) -> Iterator[dict[str, object]]:
        """The records as in the sandbox's catalogue; `pictures` are paths in its folder."""
        for number in range(self.records):
            host = self._host(number)
            yield {
                "id": self._id(number),
                "type": "IMAGE",
                "title": [f"Picture {number}"],
                "dataProvider": [host],
                "provider": ["Benchmark"],
                "country": ["Nowhere"],
                "rights": ["http://creativecommons.org/publicdomain/mark/1.0/"],
                "edmIsShownBy": [f"https://{host}/{number}.jpg"],
                "image": pictures[number % len(pictures)],
            }

    def _id(self, number: int) -> str:
        return f"/{self.dataset}/picture_{number:06}"

    def _host(self, number: int) -> str:
        return self.hosts[number % len(self.hosts)]


def write_catalogue(folder: Path, pictures: Sequence[Path], series: Sequence[Series]) -> None:
    """`catalog.jsonl` for the sandbox, beside the folder of the pictures."""
    names = [str(picture.relative_to(folder)) for picture in pictures]
    with (folder / "catalog.jsonl").open("w", encoding="utf-8") as lines:
        for each in series:
            lines.writelines(json.dumps(item) + "\n" for item in each.items(names))


def _photograph(number: int, megapixels: float) -> bytes:
    width = round(math.sqrt(megapixels * 1e6 * 4 / 3))
    height = round(math.sqrt(megapixels * 1e6 * 3 / 4))
    chance = np.random.default_rng(number)
    layers = []
    for grain, resampling in ((48, Image.Resampling.BICUBIC), (3, Image.Resampling.BILINEAR)):
        noise = chance.integers(0, 256, (height // grain, width // grain, 3), dtype=np.uint8)
        layers.append(Image.fromarray(noise).resize((width, height), resampling))
    jpeg = io.BytesIO()
    Image.blend(layers[0], layers[1], DETAIL).save(jpeg, "JPEG", quality=QUALITY)
    return jpeg.getvalue()
