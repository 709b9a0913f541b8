"""Weight files that may be anything: ordinary tensors come out, or a sentence."""

import io
import os
import pickle
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from common.errors import ModelError
from common.vision.weights import StateDict, fill, parsed, read_state_dict

PLACES = 400  # of a file, at which it is damaged
FORMS = ("archive.pth", "old.pth", "x.safetensors")


def small() -> StateDict:
    torch.manual_seed(0)
    return {"conv.weight": torch.randn(2, 3), "conv.bias": torch.randn(2).half()}


def saved(name: str) -> bytes:
    """A whole file in the form that its name says."""
    if name.endswith(".safetensors"):
        return safetensors.torch.save(small())
    buffer = io.BytesIO()
    torch.save(small(), buffer, _use_new_zipfile_serialization=name == "archive.pth")
    return buffer.getvalue()


def archive(**changes: bytes) -> bytes:
    """A checkpoint with other members, and with checksums that are right again."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved("archive.pth"))) as whole,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for name in whole.namelist():
            made.writestr(name, changes.get(Path(name).stem, whole.read(name)))
    return buffer.getvalue()


def pickled() -> bytes:
    """What `torch.save` pickles into such an archive."""
    with zipfile.ZipFile(io.BytesIO(saved("archive.pth"))) as whole:
        return whole.read("archive/data.pkl")


def damaged(content: bytes, chance: random.Random) -> bytes:
    place, changed = chance.randrange(len(content)), bytearray(content)
    match chance.choice(("cut", "flip", "set")):
        case "cut":
            del changed[place:]
        case "flip":
            changed[place] ^= 1 << chance.randrange(8)
        case _:
            changed[place] = chance.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("name", FORMS)
def test_tensors_come_back_as_they_were_saved(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(saved(name))
    found = read_state_dict(tmp_path / name)
    assert found.keys() == small().keys()
    assert all(torch.equal(tensor, small()[key]) for key, tensor in found.items())


@pytest.mark.parametrize("name", [*FORMS, "pickle.pth"])
def test_a_file_damaged_anywhere_is_tensors_or_a_sentence(tmp_path: Path, name: str) -> None:
    chance = random.Random(0)
    for _ in range(PLACES):
        content = (
            archive(data=damaged(pickled(), chance))
            if name == "pickle.pth"
            else damaged(saved(name), chance)
        )
        (tmp_path / name).write_bytes(content)
        try:
            found = read_state_dict(tmp_path / name)
        except ModelError as error:
            told = str(error)
        else:
            told = name if all(isinstance(each, torch.Tensor) for each in found.values()) else ""
        assert name in told
        assert "\n" not in told


@pytest.mark.parametrize(
    "instructions",
    [
        b"X\xff\xff\xff\xff.",
        b"K\x01K\x02s.",
        b"h\x05.",
        b"u.",
        b"(" * 1000 + b"l" * 1000 + b".",
        b"ccollections\nOrderedDict\nK\x05\x85R.",
        b"ctorch._utils\n_rebuild_tensor_v2\nK\x05\x85R.",
        b"ctorch\nfloat32\nK\x05\x85R.",
    ],
    ids=["cut", "stack", "memo", "empty", "deep", "argument", "arguments", "call"],
)
@pytest.mark.parametrize("in_archive", [True, False], ids=["archive", "bare"])
def test_hostile_pickles_end_in_a_sentence(
    tmp_path: Path, instructions: bytes, in_archive: bool
) -> None:
    content = b"\x80\x02" + instructions
    (tmp_path / "x.pth").write_bytes(archive(data=content) if in_archive else content)
    with pytest.raises(ModelError, match=r"x\.pth .*save the weights with torch\.save"):
        read_state_dict(tmp_path / "x.pth")


def _quantised(tensor: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it goes in a later release of torch
        return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)


def _nested(tensor: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is a prototype
        return torch.nested.nested_tensor([tensor[0], tensor[1, :2]])


@pytest.mark.parametrize(
    "make",
    [
        torch.Tensor.to_sparse,
        _quantised,
        _nested,
        lambda tensor: tensor.to("meta"),
        lambda tensor: tensor.to(torch.complex64),
        lambda tensor: tensor.to(torch.float8_e4m3fn),
    ],
    ids=["sparse", "quantised", "nested", "meta", "complex", "float8"],
)
def test_tensors_that_are_not_ordinary_are_refused(
    tmp_path: Path, make: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    torch.save(small() | {"conv.weight": make(small()["conv.weight"])}, tmp_path / "x.pth")
    # Under Python 3.13 torch itself refuses to read a nested one.
    ours, of_torch = "cannot be used: conv\\.weight is not an ordinary", "is not a plain state dict"
    with pytest.raises(ModelError, match=rf"x\.pth ({ours}|{of_torch})"):
        read_state_dict(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "content", [[torch.zeros(1)], torch.zeros(1), {1: torch.zeros(1)}, {"x": 1}, "text"], ids=str
)
def test_anything_but_names_to_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ModelError, match="not a plain state dict"):
        read_state_dict(tmp_path / "x.pth")


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_a_pickle_bomb_is_refused_and_not_executed(tmp_path: Path, writer: str) -> None:
    marker, path = tmp_path / "executed", tmp_path / "bomb.pth"
    if writer == "torch":
        torch.save({"conv1.weight": _Bomb(marker)}, path)
    else:
        path.write_bytes(pickle.dumps(_Bomb(marker)))
    with pytest.raises(ModelError, match="not a plain state dict"):
        read_state_dict(path)
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (os.mkfifo, "not a regular file"),
        (Path.mkdir, "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.symlink_to("nowhere"), "no weight file"),
    ],
    ids=["pipe", "folder", "device", "nowhere"],
)
def test_what_is_no_file_is_refused_without_waiting(
    tmp_path: Path, suffix: str, make: Callable[[Path], None], problem: str
) -> None:
    path = tmp_path / f"x{suffix}"
    make(path)
    with pytest.raises(ModelError, match=problem):
        read_state_dict(path)


def test_bytes_are_read_as_a_file_is(tmp_path: Path) -> None:
    assert parsed(saved("x.safetensors"), source="x").keys() == small().keys()
    header = b'{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}'
    with pytest.raises(ModelError, match="cannot be read as weights"):
        parsed(struct.pack("<Q", len(header)) + header + bytes(8), source="x")


@pytest.mark.parametrize(
    ("weight", "problem"),
    [
        (torch.full((2, 3), torch.nan), "not finite"),
        (torch.full((2, 3), 1e300, dtype=torch.float64), "not finite"),
        (torch.zeros(2, 3, dtype=torch.int64), "contains whole numbers"),
    ],
    ids=["nan", "too large", "whole"],
)
def test_a_network_takes_finite_fractions_alone(weight: torch.Tensor, problem: str) -> None:
    with pytest.raises(ModelError, match=f"the file cannot be used: weight .*{problem}"):
        fill(nn.Linear(3, 2), {"weight": weight}, source="the file")


def test_a_counter_is_no_weight() -> None:
    with pytest.raises(ModelError, match="num_batches_tracked contains fractional numbers"):
        fill(nn.BatchNorm2d(2), {"num_batches_tracked": torch.zeros(())}, source="the file")


def test_numbers_of_another_precision_are_taken() -> None:
    network = nn.Linear(3, 2)
    fill(network, {"weight": torch.ones(2, 3).half()}, source="the file")
    assert network.weight.tolist() == [[1.0] * 3] * 2
