"""Familiar pictures: those that a model was trained on, or measured by. A score on them flatters.

A bundle keeps 8 bytes of a digest of each record ID and of each file. They tell pictures apart:
with a million known pictures and a million others, one of ten million models mistakes one of them.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from common.vision.bundle import Description, read_arrays

KNOWN = "known_pictures.safetensors"
Digests = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FamiliarPictures:
    """Ascending digests of the keys and of the files of pictures; build it with `of`."""

    keys: Digests
    files: Digests

    @classmethod
    def of(cls, keys: Iterable[str], files: Iterable[str]) -> Self:
        """The pictures of these records, or with these files.

        Args:
            keys: IDs of records, or paths below a folder of pictures.
            files: the sha256 of each file, in hexadecimal.
        """
        return cls(_digests(map(_of_text, keys)), _digests(map(bytes.fromhex, files)))

    def __len__(self) -> int:
        return len(self.keys)

    def joined(self, other: "FamiliarPictures") -> "FamiliarPictures":
        return FamiliarPictures(
            np.union1d(self.keys, other.keys), np.union1d(self.files, other.files)
        )

    def has_records(self, record_ids: Iterable[str]) -> NDArray[np.bool_]:
        return np.isin(_as_numbers(map(_of_text, record_ids)), self.keys)

    def has_files(self, sha256s: Iterable[str]) -> NDArray[np.bool_]:
        return np.isin(_as_numbers(map(bytes.fromhex, sha256s)), self.files)


def read_known(folder: Path, description: Description) -> FamiliarPictures | None:
    """What the model of a bundle knows; None if its maker did not say.

    Raises:
        ModelError: the file is missing or was changed.
    """
    if description.known is None:
        return None
    found = read_arrays(folder, description.known)
    return FamiliarPictures(found["keys"], found["files"])


def _of_text(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _digests(found: Iterable[bytes]) -> Digests:
    return np.unique(_as_numbers(found))


def _as_numbers(digests: Iterable[bytes]) -> Digests:
    return np.frombuffer(b"".join(each[:8] for each in digests), dtype="<i8").astype(np.int64)
