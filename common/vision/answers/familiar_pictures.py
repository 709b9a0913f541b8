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

from common.errors import ModelError
from common.vision.bundle import Description, read_arrays

KNOWN = "known_pictures.safetensors"
_MAX_BYTES = 512 << 20  # of the file; a million pictures take sixteen
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
        ModelError: the file is missing, was changed, or is damaged.
    """
    file = description.known
    if file is None:
        return None
    found = read_arrays(folder, file, at_most=_MAX_BYTES)
    keys, files = found.get("keys"), found.get("files")
    for each in (keys, files):
        if each is None or each.dtype != np.int64 or each.ndim != 1:
            raise ModelError(f"{folder / file.file} is no list of pictures.")
    assert keys is not None
    assert files is not None
    return FamiliarPictures(keys, files)


def _of_text(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _digests(found: Iterable[bytes]) -> Digests:
    return np.unique(_as_numbers(found))


def _as_numbers(digests: Iterable[bytes]) -> Digests:
    return np.frombuffer(b"".join(each[:8] for each in digests), dtype="<i8").astype(np.int64)
