"""Models without their networks, read as arrays: what torch reads, and nothing worse."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from common.errors import ModelError
from common.vision.answers.saved import load_answering, load_heads
from common.vision.bundle import BundleFile, Description
from tests.common.vision.models import DESCRIPTION

DIMENSION = 6
ROOT = Path(__file__).resolve().parents[4]


def saved(folder: Path, **files: dict[str, torch.Tensor]) -> Description:
    """A model of a head and references, of which some may be given."""
    torch.manual_seed(0)
    unit = torch.nn.functional.normalize(torch.randn(5, DIMENSION), dim=1)
    tensors = {
        "member": {"weight": torch.randn(2, DIMENSION), "bias": torch.randn(2)},
        "likeness": {"references": unit.half()},
    } | files
    made = {}
    for name, content in tensors.items():
        data = safetensors.torch.save(content)
        (folder / name).write_bytes(data)
        made[name] = BundleFile(file=name, sha256=hashlib.sha256(data).hexdigest())
    return replace(
        DESCRIPTION,
        encoder="0" * 64,
        members=(made["member"],),
        likeness=made["likeness"],
        least_likeness=0.25,
    )


def test_heads_and_references_are_those_that_torch_wrote(tmp_path: Path) -> None:
    answering = load_answering(tmp_path, saved(tmp_path))
    written = safetensors.torch.load_file(tmp_path / "member")
    assert answering.heads is not None
    (head,) = answering.heads.heads
    np.testing.assert_allclose(head.weights, written["weight"].numpy(), rtol=1e-6)
    np.testing.assert_array_equal(head.bias, written["bias"].numpy())
    assert answering.likeness is not None
    assert (answering.likeness.references.shape, answering.likeness.least) == ((5, DIMENSION), 0.25)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "is no head"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(3)}, "is no head: weights"),
        ({"weight": torch.full((2, 3), torch.nan), "bias": torch.zeros(2)}, "not finite"),
        (
            {"weight": torch.zeros(2, 3, dtype=torch.bfloat16), "bias": torch.zeros(2)},
            "cannot be read as arrays",
        ),
    ],
)
def test_what_is_no_head_is_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load_heads(tmp_path, saved(tmp_path, member=tensors))


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x02" + bytes(7) + b"[]"])
def test_a_hostile_file_is_refused(tmp_path: Path, content: bytes) -> None:
    description = saved(tmp_path)
    (tmp_path / "member").write_bytes(content)
    file = BundleFile(file="member", sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError, match="cannot be read as"):
        load_heads(tmp_path, replace(description, members=(file,)))


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="without weights"):
        load_heads(tmp_path, replace(saved(tmp_path), members=()))


def test_reading_them_loads_no_torch() -> None:
    program = "import sys, common.vision.answers.saved; sys.exit('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=300, check=False)
    assert ended.returncode == 0
