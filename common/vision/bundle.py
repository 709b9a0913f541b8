"""The files of a bundle: written with their sha256, and read only if they are what was written."""

import hashlib
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError

from common.errors import ModelError
from common.vision.description import DESCRIPTION, BundleFile
from common.vision.network import StateDict


def write_tensors(path: Path, tensors: StateDict) -> BundleFile:
    """Write tensors as safetensors, and tell how to name and check them."""
    data = safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()})
    path.write_bytes(data)
    return BundleFile(file=path.name, sha256=sha256_of(data))


def read_tensors(folder: Path, file: BundleFile) -> StateDict:
    """The tensors of a file of the bundle.

    Raises:
        ModelError: it is missing, was changed, holds no tensors, or lies elsewhere.
    """
    path = folder / file.file
    if path.parent != folder:
        raise ModelError(f"{folder / DESCRIPTION} names a file outside its folder.")
    try:
        return safetensors.torch.load(read_checked(path, file.sha256))
    except SafetensorError as error:
        raise ModelError(f"{path} holds no tensors: {error}.") from None


def read_checked(path: Path, expected_sha256: str | None = None) -> bytes:
    """The bytes of a file, which have the sha256, if one is expected.

    Raises:
        ModelError: they have not, or cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from None
    if expected_sha256 is not None and sha256_of(data) != expected_sha256:
        raise ModelError(
            f"{path} is not the file that was promoted: its sha256 is {sha256_of(data)[:12]}..., "
            f"expected {expected_sha256[:12]}.... Promote the model again."
        )
    return data


def sha256_of(data: bytes) -> str:
    """The sha256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
